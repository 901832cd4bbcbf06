package com.example

fun main() {
    embeddedServer(Netty, port = System.getenv("PORT").toInt()) {}.start(wait = true)
}
