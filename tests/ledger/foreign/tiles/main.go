// Verifies exported tiles with an implementation that is not ours: golang.org/x/mod/sumdb.
//
//	tiles FOLDER LOG_VKEY PROOFS OLDER_CHECKPOINT…
//
// It opens the checkpoint of the folder, reads every entry and compares it with its leaf hash, which TileHashReader proves to be
// under the checkpoint's root; checks PROOFS inclusion proofs, spread over the log, and that the log extends each older checkpoint.
// Exit code 0 is verified, with the counts in JSON; 1 is refused, 2 is an input that it does not take.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
	batch  = 4096
)

// folder reads tiles by the paths of c2sp.org/tlog-tiles, which are those of tlog without the height.
type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, err := f.read(tile)
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (f folder) read(tile tlog.Tile) ([]byte, error) {
	path := tile.Path()
	if tile.L == -1 {
		path = strings.Replace(path, "tile/8/data/", "tile/entries/", 1)
	} else {
		path = strings.Replace(path, "tile/8/", "tile/", 1)
	}
	return os.ReadFile(filepath.Join(string(f), path))
}

// entries returns the entries of a bundle, each after its length in two bytes.
func (f folder) entries(start, size int64) ([][]byte, error) {
	data, err := f.read(tlog.Tile{H: height, L: -1, N: start / width, W: int(min(width, size-start))})
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("an entry bundle is cut")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		found = append(found, data[2:end])
		data = data[end:]
	}
	if int64(len(found)) != min(width, size-start) {
		return nil, errors.New("an entry bundle has another number of entries")
	}
	return found, nil
}

func open(path string, log note.Verifier) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	check(2, err)
	opened, err := note.Open(data, note.VerifierList(log))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != log.Name() {
		return tlog.Tree{}, errors.New("the checkpoint is of another origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("the checkpoint has no root")
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

func main() {
	if len(os.Args) < 4 {
		stop(2, "usage: tiles FOLDER LOG_VKEY PROOFS OLDER_CHECKPOINT…")
	}
	files := folder(os.Args[1])
	log, err := note.NewVerifier(os.Args[2])
	check(2, err)
	proofs, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(2, err)
	tree, err := open(filepath.Join(string(files), "checkpoint"), log)
	check(1, err)
	reader := tlog.TileHashReader(tree, files)

	counts := map[string]int64{"size": tree.N, "entries": 0, "proofs": 0, "older": 0}
	var leaves []tlog.Hash
	for start := int64(0); start < tree.N; start += batch {
		var places []int64
		for index := start; index < min(start+batch, tree.N); index++ {
			places = append(places, tlog.StoredHashIndex(0, index))
		}
		hashes, err := reader.ReadHashes(places)
		check(1, err)
		leaves = append(leaves, hashes...)
	}
	for start := int64(0); start < tree.N; start += width {
		entries, err := files.entries(start, tree.N)
		check(1, err)
		for offset, entry := range entries {
			if tlog.RecordHash(entry) != leaves[start+int64(offset)] {
				stop(1, fmt.Sprintf("entry %d is not that of its leaf hash", start+int64(offset)))
			}
			counts["entries"]++
		}
	}
	step := max(1, tree.N/max(1, proofs))
	for index := int64(0); index < tree.N; index++ {
		if index%step != 0 && index != tree.N-1 {
			continue
		}
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		check(1, err)
		check(1, tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaves[index]))
		counts["proofs"]++
	}
	for _, path := range os.Args[4:] {
		older, err := open(path, log)
		check(1, err)
		proof, err := tlog.ProveTree(tree.N, older.N, reader)
		check(1, err)
		check(1, tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash))
		counts["older"]++
	}
	check(2, json.NewEncoder(os.Stdout).Encode(counts))
}

func check(code int, err error) {
	if err != nil {
		stop(code, err.Error())
	}
}

func stop(code int, reason string) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(code)
}
