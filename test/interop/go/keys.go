package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"
)

// keyFacts says of a key what can be said without its secret.
type keyFacts struct {
	// Algorithm is rsa, ec or ed25519.
	Algorithm string `json:"algorithm"`
	// Bits is the size of the modulus or of the curve's order.
	Bits int `json:"bits"`
	// Curve is p224, p256, p384 or p521 when Algorithm is ec.
	Curve string `json:"curve,omitempty"`
	// SPKISHA256 is the SHA-256 of the DER SubjectPublicKeyInfo in lower-case hex.
	SPKISHA256 string `json:"spkiSha256"`
}

func factsOf(public crypto.PublicKey) (keyFacts, error) {
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return keyFacts{}, err
	}
	digest := sha256.Sum256(spki)
	facts := keyFacts{SPKISHA256: hex.EncodeToString(digest[:])}
	switch key := public.(type) {
	case *rsa.PublicKey:
		facts.Algorithm, facts.Bits = "rsa", key.N.BitLen()
	case *ecdsa.PublicKey:
		parameters := key.Curve.Params()
		facts.Algorithm, facts.Bits = "ec", parameters.BitSize
		facts.Curve = strings.ToLower(strings.ReplaceAll(parameters.Name, "-", ""))
	case ed25519.PublicKey:
		facts.Algorithm, facts.Bits = "ed25519", 256
	default:
		return keyFacts{}, fmt.Errorf("unknown key type %T", public)
	}
	return facts, nil
}

// A keyBlock is one PEM block of a key file: a private key's facts, or why there is none.
type keyBlock struct {
	Label string `json:"label"`
	*keyFacts
	failure
}

// keyFiles prints the PEM blocks of every file, each read by the parser of its label alone.
func keyFiles(arguments []string, _ io.Reader, out *json.Encoder) error {
	if len(arguments) == 0 {
		return fmt.Errorf("%w, keys needs a file", errUsage)
	}
	type fileKeys struct {
		File string     `json:"file"`
		Keys []keyBlock `json:"keys"`
	}
	files := []fileKeys{}
	for _, name := range arguments {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		entry := fileKeys{File: name, Keys: []keyBlock{}}
		for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
			entry.Keys = append(entry.Keys, readKeyBlock(block))
		}
		files = append(files, entry)
	}
	return out.Encode(files)
}

func readKeyBlock(block *pem.Block) keyBlock {
	read := keyBlock{Label: block.Type}
	private, err := parsePrivateKey(block)
	if err != nil {
		read.failure = fail("key-unreadable", err)
		return read
	}
	facts, err := factsOf(private.Public())
	if err != nil {
		read.failure = fail("key-type", err)
		return read
	}
	read.keyFacts = &facts
	return read
}

func parsePrivateKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a %s block holds no plain private key", block.Type)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T can't sign", key)
	}
	return signer, nil
}
