package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	certutil "github.com/rancher/dynamiclistener/cert"
)

// A caFile names one CA of a K3s server: its files are <Path>.crt and <Path>.key below the tls folder.
type caFile struct{ Name, Path string }

// The CAs in the order in which K3s makes them. Source: K3s, pkg/daemons/control/deps/deps.go, genCerts.
var caFiles = []caFile{
	{"client", "client-ca"},
	{"server", "server-ca"},
	{"request-header", "request-header-ca"},
	{"etcd/server", "etcd/server-ca"},
	{"etcd/peer", "etcd/peer-ca"},
}

// chains verifies the first certificate of every CA bundle with the root as the only anchor and the rest of the
// bundle as intermediates, for Go's default usage (serverAuth), which is the one K3s checks CAs with.
func chains(arguments []string, _ io.Reader, out *json.Encoder) error {
	if len(arguments) != 2 {
		return fmt.Errorf("%w, chains needs a root's PEM file and a tls folder", errUsage)
	}
	roots, err := certutil.NewPool(arguments[0])
	if err != nil {
		return err
	}
	type verdict struct {
		Name string `json:"name"`
		OK   bool   `json:"ok"`
		failure
		Chains [][]string `json:"chains,omitempty"`
	}
	verdicts := []verdict{}
	for _, ca := range caFiles {
		v := verdict{Name: ca.Name}
		bundle, err := certutil.CertsFromFile(filepath.Join(arguments[1], ca.Path+".crt"))
		if err != nil {
			v.failure = fail("certificate-unreadable", err)
		} else if found, err := bundle[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: pool(bundle[1:]),
		}); err != nil {
			v.failure = classifyVerify(err)
		} else {
			v.OK, v.Chains = true, fingerprints(found)
		}
		verdicts = append(verdicts, v)
	}
	return out.Encode(verdicts)
}

func pool(certificates []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, certificate := range certificates {
		p.AddCert(certificate)
	}
	return p
}

// fingerprints gives the SHA-256 of every certificate of every chain, leaf first, in Go's order of chains.
func fingerprints(found [][]*x509.Certificate) [][]string {
	all := make([][]string, len(found))
	for i, chain := range found {
		for _, certificate := range chain {
			digest := sha256.Sum256(certificate.Raw)
			all[i] = append(all[i], hex.EncodeToString(digest[:]))
		}
	}
	return all
}
