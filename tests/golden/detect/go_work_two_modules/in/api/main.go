package main

import (
	"net/http"
	"os"

	"example.com/shared"
)

func main() {
	shared.Init()
	http.ListenAndServe(":"+os.Getenv("PORT"), nil)
}
