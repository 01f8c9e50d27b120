package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"

	certutil "github.com/rancher/dynamiclistener/cert"
)

// A leafCase is a data dir's view of one leaf: the files in it and what the configuration asks for.
type leafCase struct {
	// Files by name: cert, key, ca, caKey. One that is missing here is absent; null is a directory in its place.
	Files         map[string]*string `json:"files"`
	CommonName    string             `json:"commonName"`
	Organizations []string           `json:"organizations"`
	DNS           []string           `json:"dns"`
	IP            []net.IP           `json:"ip"`
	Days          int                `json:"days"`
}

// A renewalVerdict says what became of the two files.
type renewalVerdict struct {
	// Action is keep, renew or fatal.
	Action string `json:"action"`
	// Key is new or kept, when the certificate was renewed.
	Key    string `json:"key,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// renewals answers each line, a leafCase, with what a start does to it. Reading, parsing, expiry, keys and signing are
// dynamiclistener's; the order and the comparisons follow K3s, pkg/daemons/control/deps/deps.go.
func renewals(_ []string, in io.Reader, out *json.Encoder) error {
	folder, err := os.MkdirTemp("", "k3s-pki-renewals-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	for n := 0; lines.Scan(); n++ {
		var asked leafCase
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		mine := filepath.Join(folder, fmt.Sprint(n))
		if err := os.Mkdir(mine, 0o700); err != nil {
			return err
		}
		verdict, err := asked.start(mine)
		if err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if err := out.Encode(verdict); err != nil {
			return err
		}
		if err := os.RemoveAll(mine); err != nil {
			return err
		}
	}
	return lines.Err()
}

// start lays the files down, lets the leaf be looked after, and compares.
func (c leafCase) start(folder string) (renewalVerdict, error) {
	path := func(name string) string { return filepath.Join(folder, name) }
	for name, content := range c.Files {
		var err error
		if content == nil {
			err = os.Mkdir(path(name), 0o700)
		} else {
			err = os.WriteFile(path(name), []byte(*content), 0o600)
		}
		if err != nil {
			return renewalVerdict{}, err
		}
	}
	certificate, _ := os.ReadFile(path("cert"))
	key, _ := os.ReadFile(path("key"))
	if err := c.lookAfter(path("cert"), path("key"), path("ca"), path("caKey")); err != nil {
		return renewalVerdict{Action: "fatal", Reason: err.Error()}, nil
	}
	newCertificate, _ := os.ReadFile(path("cert"))
	newKey, _ := os.ReadFile(path("key"))
	switch {
	case bytes.Equal(certificate, newCertificate) && bytes.Equal(key, newKey):
		return renewalVerdict{Action: "keep"}, nil
	case bytes.Equal(certificate, newCertificate):
		return renewalVerdict{}, errors.New("only the key changed")
	case bytes.Equal(key, newKey):
		return renewalVerdict{Action: "renew", Key: "kept"}, nil
	}
	return renewalVerdict{Action: "renew", Key: "new"}, nil
}

// lookAfter is what a start does to one leaf.
func (c leafCase) lookAfter(certificateFile, keyFile, caFile, caKeyFile string) error {
	force := false
	held, err := certutil.CertsFromFile(certificateFile)
	if err == nil {
		force = certutil.IsCertExpired(held[0], c.Days) || c.differs(held[0], caFile)
	}
	if !force && exists(certificateFile) && exists(keyFile) {
		return nil
	}
	caKey, err := certutil.PrivateKeyFromFile(caKeyFile)
	if err != nil {
		return err
	}
	bundle, err := certutil.CertsFromFile(caFile)
	if err != nil {
		return err
	}
	keyPEM, _, err := certutil.LoadOrGenerateKeyFile(keyFile, force)
	if err != nil {
		return err
	}
	key, err := certutil.ParsePrivateKeyPEM(keyPEM)
	if err != nil {
		return err
	}
	made, err := certutil.NewSignedCert(certutil.Config{
		CommonName: c.CommonName, Organization: c.Organizations, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		AltNames: certutil.AltNames{DNSNames: c.DNS, IPs: c.IP},
	}, key.(crypto.Signer), bundle[0], caKey.(crypto.Signer))
	if err != nil {
		return err
	}
	var file bytes.Buffer
	for _, one := range append([]*x509.Certificate{made}, bundle...) {
		file.Write(certutil.EncodeCertPEM(one))
	}
	return certutil.WriteCert(certificateFile, file.Bytes())
}

// differs tells whether a certificate is not the one that the configuration asks for.
func (c leafCase) differs(held *x509.Certificate, caFile string) bool {
	within := func(wanted, there []string) bool {
		return !slices.ContainsFunc(wanted, func(one string) bool { return !slices.Contains(there, one) })
	}
	text := func(addresses []net.IP) (all []string) {
		for _, one := range addresses {
			all = append(all, one.String())
		}
		return all
	}
	subject := held.Subject
	if subject.CommonName != c.CommonName || !within(subject.Organization, c.Organizations) ||
		!within(c.Organizations, subject.Organization) || !within(c.DNS, held.DNSNames) ||
		!within(text(c.IP), text(held.IPAddresses)) {
		return true
	}
	bundle, err := certutil.CertsFromFile(caFile)
	return err == nil && !bytes.Equal(held.AuthorityKeyId, bundle[0].SubjectKeyId)
}
