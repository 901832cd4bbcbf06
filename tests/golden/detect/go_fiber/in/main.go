package main

import "github.com/gofiber/fiber/v2"

func main() {
	app := fiber.New()
	app.Get("/healthz", nil)
	app.Listen(":3000")
}
