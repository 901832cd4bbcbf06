import Vapor
let url = Environment.get("DATABASE_URL")
