package main

import (
	_ "embed"
	"html/template"
	"log"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

//go:embed index.html
var page string

var (
	index   = template.Must(template.New("index").Parse(page))
	started = time.Now()
	visits  atomic.Int64
)

func home(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	index.Execute(w, map[string]any{
		"Title":  "Hello from Go",
		"Go":     runtime.Version(),
		"Visits": visits.Add(1),
		"Uptime": time.Since(started).Round(time.Second),
	})
}

func main() {
	http.HandleFunc("/", home)
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	log.Printf("listening on :%s", port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
