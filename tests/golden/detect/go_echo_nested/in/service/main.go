package main

import "github.com/labstack/echo/v4"

func main() {
	e := echo.New()
	e.GET("/health", nil)
	e.Start(":1323")
}
