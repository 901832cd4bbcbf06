// A client of transparency logs that shares nothing with Slipway: checkpoints by
// transparency-dev/formats, tiles by golang.org/x/mod/sumdb/tlog, proofs by transparency-dev/merkle.
//
//	tlogclient verify PREFIX KEY TOKEN [CHECKPOINT-OF-BEFORE]
//	tlogclient proof KEY ENTRY PROOF [WITNESS-KEY...]
//	tlogclient witness LOG-KEY NAME
//
// Files but for the keys. What is not as it should be is on stderr, and the exit code is 1.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	fmtlog "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}

func read(file string) []byte {
	data, err := os.ReadFile(file)
	check(err, "read")
	return data
}

// A log behind its URL; tiles are kept, as a client would.
type remote struct {
	prefix, token string
	kept          map[string][]byte
}

func (r *remote) get(path string) ([]byte, error) {
	if data, ok := r.kept[path]; ok {
		return data, nil
	}
	request, err := http.NewRequest("GET", r.prefix+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, "tile/entries/") {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != 200 {
		err = fmt.Errorf("%s: status %d", path, answer.StatusCode)
	}
	if err == nil && path != "checkpoint" {
		r.kept[path] = data
	}
	return data, err
}

func (r *remote) Height() int { return 8 }

func (r *remote) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		data, err := r.get("tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func (r *remote) SaveTiles([]tlog.Tile, [][]byte) {}

// The entries of one bundle.
func split(bundle []byte) ([][]byte, error) {
	var out [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 {
			return nil, fmt.Errorf("a bundle ends in a length")
		}
		size := int(bundle[0])<<8 | int(bundle[1])
		if len(bundle) < 2+size {
			return nil, fmt.Errorf("a bundle ends in an entry")
		}
		out = append(out, bundle[2:2+size])
		bundle = bundle[2+size:]
	}
	return out, nil
}

func opened(key string, text []byte) *fmtlog.Checkpoint {
	verifier, err := note.NewVerifier(key)
	check(err, "key")
	checkpoint, _, _, err := fmtlog.ParseCheckpoint(text, verifier.Name(), verifier)
	check(err, "checkpoint")
	return checkpoint
}

func hashes(of []tlog.Hash) [][]byte {
	var out [][]byte
	for i := range of {
		out = append(out, of[i][:])
	}
	return out
}

func verify(prefix, key, token string, before []byte) {
	log := &remote{prefix, token, map[string][]byte{}}
	text, err := log.get("checkpoint")
	check(err, "checkpoint")
	now := opened(key, text)
	var root tlog.Hash
	copy(root[:], now.Hash)
	size := int64(now.Size)
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, log)
	for first := int64(0); first < size; first += 256 {
		path := fmt.Sprintf("tile/entries/%s", indexPath(first/256))
		if size-first < 256 {
			path += fmt.Sprintf(".p/%d", size-first)
		}
		bundle, err := log.get(path)
		check(err, "entries")
		entries, err := split(bundle)
		check(err, path)
		want := size - first
		if want > 256 {
			want = 256
		}
		if int64(len(entries)) != want {
			check(fmt.Errorf("%d entries, not %d", len(entries), want), path)
		}
		for i, entry := range entries {
			index := first + int64(i)
			var record struct{ Seq int64 }
			check(json.Unmarshal(entry, &record), "entry")
			if record.Seq != index+1 {
				check(fmt.Errorf("record %d", record.Seq), "entry")
			}
			path, err := tlog.ProveRecord(size, index, reader)
			check(err, "tiles")
			check(proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size),
				rfc6962.DefaultHasher.HashLeaf(entry), hashes(path), now.Hash),
				fmt.Sprintf("inclusion of entry %d", index))
		}
	}
	since := uint64(0)
	if before != nil {
		old := opened(key, before)
		since = old.Size
		path, err := tlog.ProveTree(size, int64(old.Size), reader)
		check(err, "tiles")
		check(proof.VerifyConsistency(rfc6962.DefaultHasher, old.Size, now.Size, hashes(path),
			old.Hash, now.Hash), "consistency")
	}
	out, _ := json.Marshal(map[string]interface{}{"size": size, "consistent_since": since,
		"checkpoint": string(text)})
	fmt.Println(string(out))
}

func indexPath(n int64) string {
	out := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		out = fmt.Sprintf("x%03d/%s", n%1000, out)
	}
	return out
}

// A witness' Ed25519 cosignature (c2sp.org/tlog-cosignature), which this version of formats lacks.
type witness struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func newWitness(vkey string) (witness, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return witness{}, fmt.Errorf("not a key: %q", vkey)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 33 || raw[0] != 4 {
		return witness{}, fmt.Errorf("not a witness' key: %q", vkey)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	out := witness{parts[0], binary.BigEndian.Uint32(sum[:]), raw[1:]}
	if parts[1] != fmt.Sprintf("%08x", out.id) {
		return witness{}, fmt.Errorf("the key's id is not %08x", out.id)
	}
	return out, nil
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.id }
func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(w.key, []byte(signed), signature[8:])
}

// A c2sp.org/tlog-proof of `entry`, cosigned by every one of `witnesses`.
func verifyProof(key string, entry, text []byte, witnesses []string) {
	parts := bytes.SplitN(text, []byte("\n\n"), 2)
	if len(parts) != 2 {
		check(fmt.Errorf("no checkpoint"), "proof")
	}
	lines := strings.Split(string(parts[0]), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		check(fmt.Errorf("%q", lines[0]), "proof")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseUint(strings.TrimPrefix(lines[0], "index "), 10, 64)
	check(err, "index")
	var path [][]byte
	for _, line := range lines[1:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		check(err, "hash")
		path = append(path, hash)
	}
	checkpoint := opened(key, parts[1])
	check(proof.VerifyInclusion(rfc6962.DefaultHasher, index, checkpoint.Size,
		rfc6962.DefaultHasher.HashLeaf(entry), path, checkpoint.Hash), "inclusion")
	for _, vkey := range witnesses {
		verifier, err := newWitness(vkey)
		check(err, "witness")
		_, err = note.Open(parts[1], note.VerifierList(verifier))
		check(err, "cosignature")
	}
	out, _ := json.Marshal(map[string]interface{}{"index": index, "size": checkpoint.Size,
		"witnesses": len(witnesses)})
	fmt.Println(string(out))
}

func main() {
	arguments := os.Args[1:]
	switch {
	case len(arguments) >= 4 && arguments[0] == "verify":
		var before []byte
		if len(arguments) > 4 {
			before = read(arguments[4])
		}
		verify(strings.TrimSuffix(arguments[1], "/"), arguments[2], arguments[3], before)
	case len(arguments) == 3 && arguments[0] == "witness":
		serve(arguments[1], arguments[2])
	case len(arguments) >= 4 && arguments[0] == "proof":
		verifyProof(arguments[1], read(arguments[2]), read(arguments[3]), arguments[4:])
	default:
		check(fmt.Errorf("%v", arguments), "usage")
	}
}
