package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// lifetime is K3s's: 365 days from one hour before now. Source: dynamiclistener, cert/cert.go, NewSignedCert.
const lifetime = 365 * 24 * time.Hour

// errNoBlock is said of a file that holds no PEM.
var errNoBlock = errors.New("no PEM block")

// leavesReport has seconds from the loaded CA to the last leaf, and the PEM of the last node.
type leavesReport struct {
	Seconds     float64 `json:"seconds"`
	CPU         float64 `json:"cpu"`
	Bytes       int64   `json:"bytes"`
	Certificate string  `json:"certificate"`
	Key         string  `json:"key"`
}

// An authority is a CA as K3s holds it: the certificate that signs, its key, and the whole bundle that follows a leaf.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	bundle      []byte
}

// A sink takes the files of one node.
type sink func(node string, certificate, key []byte) error

// leaves makes client-kubelet certificates with their keys for nodes edge-000001 and up.
func leaves(arguments []string) (*leavesReport, error) {
	flags := flag.NewFlagSet("leaves", flag.ContinueOnError)
	count := flags.Int64("count", 1, "number of nodes")
	workers := flags.Int("workers", 1, "goroutines")
	tls := flags.String("ca-dir", "", "folder with client-ca.crt and client-ca.key")
	out := flags.String("out", "", "folder to write to; without it the bytes are discarded")
	if err := flags.Parse(arguments); err != nil {
		return nil, errUsage
	}
	ca, err := loadAuthority(filepath.Join(*tls, "client-ca"))
	if err != nil {
		return nil, err
	}
	report := &leavesReport{}
	write := discard
	if *out != "" {
		write = folder(*out)
	}
	used, err := cpuTime()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	var next, written atomic.Int64
	var group sync.WaitGroup
	failures := make([]error, *workers)
	for worker := range *workers {
		group.Go(func() {
			for row := next.Add(1); row <= *count; row = next.Add(1) {
				node := fmt.Sprintf("edge-%06d", row)
				certificate, key, err := ca.kubelet(node)
				if err == nil {
					err = write(node, certificate, key)
				}
				if err != nil {
					failures[worker] = fmt.Errorf("%s: %w", node, err)
					return
				}
				written.Add(int64(len(certificate) + len(key)))
				if row == *count {
					report.Certificate, report.Key = string(certificate), string(key)
				}
			}
		})
	}
	group.Wait()
	report.Seconds = time.Since(started).Seconds()
	report.Bytes = written.Load()
	total, err := cpuTime()
	report.CPU = (total - used).Seconds()
	return report, errors.Join(append(failures, err)...)
}

// kubelet makes the PEM of a client-kubelet certificate, its CA's bundle behind it, and of its key: K3s's template.
func (ca *authority) kubelet(node string) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(math.MaxInt64))
	if err != nil {
		return nil, nil, err
	}
	notBefore := time.Now().Add(-time.Hour).UTC()
	if notBefore.Before(ca.certificate.NotBefore) {
		notBefore = ca.certificate.NotBefore
	}
	template := x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"system:nodes"}, CommonName: "system:node:" + node},
		NotBefore:    notBefore,
		NotAfter:     notBefore.Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, ca.certificate, &private.PublicKey, ca.key)
	if err != nil {
		return nil, nil, err
	}
	sec1, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	var file bytes.Buffer
	if err := pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return nil, nil, err
	}
	file.Write(ca.bundle)
	return file.Bytes(), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}), nil
}

// loadAuthority reads the pair of files `name.crt` and `name.key`.
func loadAuthority(name string) (*authority, error) {
	bundle, err := os.ReadFile(name + ".crt")
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(name + ".key")
	if err != nil {
		return nil, err
	}
	first, _ := pem.Decode(bundle)
	block, _ := pem.Decode(secret)
	if first == nil || block == nil {
		return nil, fmt.Errorf("%s: %w", name, errNoBlock)
	}
	certificate, err := x509.ParseCertificate(first.Bytes)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	return &authority{certificate, key, bundle}, nil
}

func discard(_ string, certificate, key []byte) error {
	if _, err := io.Discard.Write(certificate); err != nil {
		return err
	}
	_, err := io.Discard.Write(key)
	return err
}

// folder writes a folder per node with K3s's names and modes.
func folder(root string) sink {
	return func(node string, certificate, key []byte) error {
		agent := filepath.Join(root, node, "agent")
		if err := os.MkdirAll(agent, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(agent, "client-kubelet.crt"), certificate, 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(agent, "client-kubelet.key"), key, 0o600)
	}
}
