package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

// An issuedLine is a line of `k3s-pki certificate issue --jsonl -`.
type issuedLine struct {
	Node        string `json:"node"`
	Serial      string `json:"serial"`
	SHA256      string `json:"sha256"`
	NotAfter    string `json:"notAfter"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// An issuedVerdict is the last line of output.
type issuedVerdict struct {
	Judged int `json:"judged"`
	// Refused is how many leaves have something wrong, Reasons what it was with the first of them.
	Refused int      `json:"refused"`
	Reasons []string `json:"reasons"`
	// Serials, Keys and Nodes are how many different ones there were.
	Serials int `json:"serials"`
	Keys    int `json:"keys"`
	Nodes   int `json:"nodes"`
}

// issuedLeaves judges every leaf on standard input: whether it parses, its chain verifies up to the root for the usage,
// the key is its own, and the line says of it what is true. The CAs of a run are few, so each is verified once, and each
// leaf against the CA that issued it. With --every N each N-th line is repeated on the output before the verdict.
func issuedLeaves(arguments []string, in io.Reader, out *json.Encoder) error {
	flags := flag.NewFlagSet("issued", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	usage := flags.String("usage", "clientAuth", "")
	every := flags.Int("every", 0, "")
	if err := flags.Parse(arguments); err != nil || flags.NArg() != 1 {
		return fmt.Errorf("%w, issued needs ROOT_PEM", errUsage)
	}
	wanted, known := usages[*usage]
	if !known {
		return fmt.Errorf("%w, unknown usage %q", errUsage, *usage)
	}
	root, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	judge := issuedJudge{roots: x509.NewCertPool(), usage: wanted, cas: map[string]*issuer{}}
	if !judge.roots.AppendCertsFromPEM(root) {
		return fmt.Errorf("%s: no certificate", flags.Arg(0))
	}
	lines := make(chan []byte, 256)
	facts := make(chan issuedFacts, 256)
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for line := range lines {
				facts <- judge.judge(line)
			}
		})
	}
	verdict := issuedVerdict{Reasons: []string{}}
	serials, keys, nodes := map[string]bool{}, map[string]bool{}, map[string]bool{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for fact := range facts {
			verdict.Judged++
			if fact.err != nil {
				verdict.Refused++
				if len(verdict.Reasons) < 10 {
					verdict.Reasons = append(verdict.Reasons, fact.node+": "+fact.err.Error())
				}
				continue
			}
			serials[fact.serial], keys[fact.key], nodes[fact.node] = true, true, true
		}
	}()
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, longestLine)
	for number := 1; scanner.Scan(); number++ {
		line := bytes.Clone(scanner.Bytes())
		if *every > 0 && number%*every == 0 {
			if err := out.Encode(json.RawMessage(line)); err != nil {
				return err
			}
		}
		lines <- line
	}
	close(lines)
	workers.Wait()
	close(facts)
	<-done
	if err := scanner.Err(); err != nil {
		return err
	}
	verdict.Serials, verdict.Keys, verdict.Nodes = len(serials), len(keys), len(nodes)
	return out.Encode(verdict)
}

type issuedJudge struct {
	roots *x509.CertPool
	usage x509.ExtKeyUsage
	lock  sync.Mutex
	// cas are known by the PEM that follows a leaf.
	cas map[string]*issuer
}

// An issuer is the CA of a leaf as its only anchor, once it verified itself.
type issuer struct {
	pool *x509.CertPool
	err  error
}

// issuedFacts say of a leaf what must not occur twice, or what is wrong with it.
type issuedFacts struct {
	node, serial, key string
	err               error
}

func (j *issuedJudge) judge(text []byte) issuedFacts {
	var line issuedLine
	if err := json.Unmarshal(text, &line); err != nil {
		return issuedFacts{err: err}
	}
	facts := issuedFacts{node: line.Node}
	facts.serial, facts.key, facts.err = j.leaf(line)
	return facts
}

func (j *issuedJudge) leaf(line issuedLine) (serial, key string, err error) {
	block, rest := pem.Decode([]byte(line.Certificate))
	if block == nil || block.Type != "CERTIFICATE" {
		return "", "", errors.New("no certificate in PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", "", err
	}
	ca := j.issuer(string(rest))
	if ca.err != nil {
		return "", "", fmt.Errorf("its CA: %w", ca.err)
	}
	options := x509.VerifyOptions{Roots: ca.pool, KeyUsages: []x509.ExtKeyUsage{j.usage}}
	if _, err := leaf.Verify(options); err != nil {
		return "", "", err
	}
	block, rest = pem.Decode([]byte(line.Key))
	if block == nil || len(rest) != 0 {
		return "", "", errors.New("not one key in PEM")
	}
	private, err := parsePrivateKey(block)
	if err != nil {
		return "", "", err
	}
	if public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(private.Public()) {
		return "", "", errors.New("the key is not the certificate's")
	}
	digest := sha256.Sum256(leaf.Raw)
	if said := hex.EncodeToString(digest[:]); said != line.SHA256 {
		return "", "", fmt.Errorf("the digest is %s, not %s", said, line.SHA256)
	}
	serial = fmt.Sprintf("%x", leaf.SerialNumber)
	if fmt.Sprintf("%032s", serial) != line.Serial {
		return "", "", fmt.Errorf("the serial is %s, not %s", serial, line.Serial)
	}
	if leaf.NotAfter.Format(time.RFC3339) != line.NotAfter {
		return "", "", fmt.Errorf("the end is %s, not %s", leaf.NotAfter.Format(time.RFC3339), line.NotAfter)
	}
	if name := "system:node:" + line.Node; leaf.Subject.CommonName != name {
		return "", "", fmt.Errorf("the common name is %s", leaf.Subject.CommonName)
	}
	return serial, string(leaf.RawSubjectPublicKeyInfo), nil
}

// issuer verifies the CA that comes first in a bundle, once for all leaves that bring the same bundle.
func (j *issuedJudge) issuer(bundle string) *issuer {
	j.lock.Lock()
	defer j.lock.Unlock()
	known, ok := j.cas[bundle]
	if !ok {
		known = &issuer{pool: x509.NewCertPool()}
		known.err = known.read(bundle, j.roots, j.usage)
		j.cas[bundle] = known
	}
	return known
}

func (i *issuer) read(bundle string, roots *x509.CertPool, usage x509.ExtKeyUsage) error {
	block, rest := pem.Decode([]byte(bundle))
	if block == nil {
		return errors.New("no CA follows the leaf")
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	intermediates := x509.NewCertPool()
	intermediates.AppendCertsFromPEM(rest)
	options := x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{usage}}
	if _, err := ca.Verify(options); err != nil {
		return err
	}
	i.pool.AddCert(ca)
	return nil
}
