package com.x
import org.springframework.boot.runApplication
fun main(args: Array<String>) { runApplication<App>(*args) }
