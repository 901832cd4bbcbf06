module slipway.example/tlogclient

go 1.19

require (
	github.com/transparency-dev/formats v0.0.0-20230914071414-5732692f1e50
	github.com/transparency-dev/merkle v0.0.2
	golang.org/x/mod v0.12.0
)
