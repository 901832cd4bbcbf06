fn main() { warp::serve(1).run(([127, 0, 0, 1], 3030)); }
