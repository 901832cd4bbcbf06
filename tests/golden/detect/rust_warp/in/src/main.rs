use warp::Filter;
#[tokio::main]
async fn main() {
    let port: u16 = std::env::var("PORT").unwrap_or_else(|_| "3030".into()).parse().unwrap();
    warp::serve(warp::any()).run(([0, 0, 0, 0], port)).await;
}
