use std::net::TcpListener;
fn main() {
    let port = std::env::var("PORT").unwrap();
    let _ = TcpListener::bind(format!("0.0.0.0:{port}"));
}
