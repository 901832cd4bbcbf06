use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use axum::Router;

struct App {
    started: Instant,
    visits: AtomicU64,
}

async fn home(State(app): State<Arc<App>>) -> Html<String> {
    let visits = app.visits.fetch_add(1, Ordering::Relaxed) + 1;
    Html(
        include_str!("index.html")
            .replace("{title}", "Hello from Axum")
            .replace("{visits}", &visits.to_string())
            .replace("{uptime}", &app.started.elapsed().as_secs().to_string()),
    )
}

#[tokio::main]
async fn main() {
    let app = Arc::new(App { started: Instant::now(), visits: AtomicU64::new(0) });
    let routes = Router::new()
        .route("/", get(home))
        .route("/health", get(|| async { "ok" }))
        .with_state(app);

    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("0.0.0.0:{port}")).await.expect("bind");
    println!("listening on {port}");
    axum::serve(listener, routes)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .expect("SIGTERM")
                .recv()
                .await;
        })
        .await
        .expect("serve");
}
