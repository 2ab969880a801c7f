// Verifies receipts and cosignatures with an implementation that is not ours: filippo.io/torchwood.
//
//	foreign proof POLICY LEAF_HASH_HEX TLOG_PROOF
//	foreign note LOG_VKEY WITNESS_VKEY SIGNED_CHECKPOINT
//
// Exit code 0 is verified, 1 is refused, 2 is an input that it does not take.
package main

import (
	"encoding/hex"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if len(os.Args) != 5 {
		stop(2, "usage: foreign proof|note …")
	}
	data, err := os.ReadFile(os.Args[4])
	check(2, err)
	if os.Args[1] == "proof" {
		text, err := os.ReadFile(os.Args[2])
		check(2, err)
		policy, err := torchwood.ParsePolicy(text)
		check(2, err)
		leaf, err := hex.DecodeString(os.Args[3])
		check(2, err)
		var hash tlog.Hash
		copy(hash[:], leaf)
		check(1, torchwood.VerifyProof(policy, hash, data))
	} else {
		log, err := note.NewVerifier(os.Args[2])
		check(2, err)
		witness, err := torchwood.NewCosignatureVerifier(os.Args[3])
		check(2, err)
		opened, err := note.Open(data, note.VerifierList(log, witness))
		check(1, err)
		if len(opened.Sigs) != 2 {
			stop(1, "one of the signatures is missing")
		}
	}
	fmt.Println("verified")
}

func check(code int, err error) {
	if err != nil {
		stop(code, err.Error())
	}
}

func stop(code int, reason string) {
	fmt.Println(reason)
	os.Exit(code)
}
