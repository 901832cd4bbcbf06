package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	fmtlog "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// A witness of one log (c2sp.org/tlog-witness), for as long as the program runs. Its address and its
// key are on stdout, as JSON, once it listens.
func serve(logKey, name string) {
	log, err := note.NewVerifier(logKey)
	check(err, "key")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	check(err, "key")
	raw := append([]byte{4}, public...)
	sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err, "listen")
	w := &server{log: log, name: name, id: sum[:4], key: private}
	out, _ := json.Marshal(map[string]string{
		"url":  "http://" + listener.Addr().String() + "/w",
		"vkey": fmt.Sprintf("%s+%x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(raw))})
	fmt.Println(string(out))
	http.Handle("/w/add-checkpoint", w)
	check(http.Serve(listener, nil), "serve")
}

type server struct {
	log  note.Verifier
	name string
	id   []byte
	key  ed25519.PrivateKey

	mutex sync.Mutex
	size  uint64
	root  []byte
}

func (w *server) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(io.LimitReader(request.Body, 1<<20))
	parts := bytes.SplitN(body, []byte("\n\n"), 2)
	if err != nil || request.Method != "POST" || len(parts) != 2 {
		http.Error(out, "not a submission", 400)
		return
	}
	lines := strings.Split(string(parts[0]), "\n")
	old, err := strconv.ParseUint(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil || !strings.HasPrefix(lines[0], "old ") || len(lines) > 64 {
		http.Error(out, "its old size", 400)
		return
	}
	var path [][]byte
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != 32 {
			http.Error(out, "a hash", 400)
			return
		}
		path = append(path, hash)
	}
	checkpoint, _, _, err := fmtlog.ParseCheckpoint(parts[1], w.log.Name(), w.log)
	if err != nil {
		http.Error(out, err.Error(), 403)
		return
	}
	if old > checkpoint.Size {
		http.Error(out, "it shrinks", 400)
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if old != w.size {
		out.Header().Set("Content-Type", "text/x.tlog.size")
		out.WriteHeader(409)
		fmt.Fprintf(out, "%d\n", w.size)
		return
	}
	if old == 0 && len(path) > 0 {
		http.Error(out, "a proof of nothing", 422)
		return
	}
	if old > 0 {
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, old, checkpoint.Size, path, w.root,
			checkpoint.Hash); err != nil {
			http.Error(out, err.Error(), 422)
			return
		}
	}
	w.size, w.root = checkpoint.Size, checkpoint.Hash
	text := parts[1][:bytes.LastIndex(parts[1], []byte("\n\n"))+1]
	now := uint64(time.Now().Unix())
	signed := append(append([]byte{}, w.id...), binary.BigEndian.AppendUint64(nil, now)...)
	signed = append(signed, ed25519.Sign(w.key,
		[]byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", now, text)))...)
	fmt.Fprintf(out, "\u2014 %s %s\n", w.name, base64.StdEncoding.EncodeToString(signed))
}
