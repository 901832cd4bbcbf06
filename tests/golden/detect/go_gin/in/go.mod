module example.com/api

go 1.21.0

toolchain go1.22.5

require github.com/gin-gonic/gin v1.10.0
