package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	certutil "github.com/rancher/dynamiclistener/cert"
)

// A caHash is the hash that stands after K10 in a token, and what it is the hash of.
type caHash struct {
	Hash string `json:"hash,omitempty"`
	// Of is root (the DER of the chain's root) or file (the literal bytes).
	Of string `json:"of,omitempty"`
	// Root is the subject of the chain's root when Of is root.
	Root string `json:"root,omitempty"`
	failure
}

// caHashes prints the K10 hash of every CA bundle.
func caHashes(arguments []string, _ io.Reader, out *json.Encoder) error {
	flags := flag.NewFlagSet("ca-hash", flag.ContinueOnError)
	at := flags.Int64("at", time.Now().Unix(), "seconds since 1970")
	if err := flags.Parse(arguments); err != nil || flags.NArg() == 0 {
		return fmt.Errorf("%w, ca-hash needs a bundle", errUsage)
	}
	type fileHash struct {
		File string `json:"file"`
		caHash
	}
	hashes := []fileHash{}
	for _, name := range flags.Args() {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		hashes = append(hashes, fileHash{File: name, caHash: hashBundle(content, time.Unix(*at, 0))})
	}
	return out.Encode(hashes)
}

// hashBundle follows the rules of K3s, pkg/clientaccess/token.go: a lone certificate's file is hashed as it
// stands; of several, the root of the first chain from the first certificate is hashed in DER, where the others
// are roots when they have no authorityKeyIdentifier or one that equals their subjectKeyIdentifier. Without a
// chain the file is hashed.
func hashBundle(content []byte, at time.Time) caHash {
	bundle, err := certutil.ParseCertsPEM(content)
	if err != nil {
		return caHash{failure: fail("certificate-unreadable", err)}
	}
	hash := caHash{Of: "file"}
	hashed := content
	if len(bundle) > 1 {
		roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
		for _, other := range bundle[1:] {
			if isRoot(other) {
				roots.AddCert(other)
			} else {
				intermediates.AddCert(other)
			}
		}
		found, err := bundle[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: intermediates, CurrentTime: at,
		})
		if err == nil {
			root := found[0][len(found[0])-1]
			hash.Of, hash.Root, hashed = "root", root.Subject.String(), root.Raw
		} else {
			hash.failure = classifyVerify(err)
		}
	}
	digest := sha256.Sum256(hashed)
	hash.Hash = hex.EncodeToString(digest[:])
	return hash
}

// isRoot is K3s's notion of a root wherever it splits a bundle; it does not look at the signature.
func isRoot(certificate *x509.Certificate) bool {
	return len(certificate.AuthorityKeyId) == 0 || bytes.Equal(certificate.AuthorityKeyId, certificate.SubjectKeyId)
}
