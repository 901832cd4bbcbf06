fn main() { let p = std::env::var("PORT").unwrap(); TcpListener::bind(p); }
