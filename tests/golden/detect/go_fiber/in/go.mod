module example.com/a

go 1.22

require (
	github.com/gofiber/fiber/v2 v2.52.4
	github.com/lib/pq v1.10.9 // indirect
)
