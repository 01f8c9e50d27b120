package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// check refuses what K3s's rotate-ca refuses. Source: K3s, pkg/server/handlers/cert.go.
func check(document map[string]*file, changed map[string][]byte) error {
	after := func(name string) []byte {
		if content, found := changed[name]; found {
			return content
		}
		return contentOf(document, name)
	}
	for _, field := range fields {
		if strings.HasSuffix(field.name, "Key") {
			continue
		}
		_, bundle := changed[field.name]
		_, key := changed[field.name+"Key"]
		if bundle {
			if err := bundleRotates(contentOf(document, field.name), after(field.name)); err != nil {
				return fmt.Errorf("%s: %w", field.name, err)
			}
		}
		if bundle || key {
			if _, err := tls.X509KeyPair(after(field.name), after(field.name+"Key")); err != nil {
				return fmt.Errorf("%sKey: %w", field.name, err)
			}
		}
	}
	return serviceKeyRotates(contentOf(document, "ServiceKey"), after("ServiceKey"))
}

func contentOf(document map[string]*file, name string) []byte {
	if found := document[name]; found != nil {
		return found.Content
	}
	return nil
}

func bundleRotates(before, after []byte) error {
	old, err := certificates(before)
	if err != nil {
		return err
	}
	fresh, err := certificates(after)
	if err != nil {
		return err
	}
	if len(fresh) < 2 {
		return errors.New("new CA bundle has no root or intermediate CA certificate")
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, certificate := range old {
		if len(certificate.AuthorityKeyId) == 0 || bytes.Equal(certificate.AuthorityKeyId, certificate.SubjectKeyId) {
			roots.AddCert(certificate)
		} else {
			between.AddCert(certificate)
		}
	}
	for _, certificate := range fresh[1:] {
		if len(certificate.AuthorityKeyId) != 0 {
			between.AddCert(certificate)
		}
	}
	_, err = fresh[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

func certificates(text []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, errors.New("no certificate")
	}
	return found, nil
}

// serviceKeyRotates holds when the first of the old keys is among the new ones.
func serviceKeyRotates(before, after []byte) error {
	old, err := publicKeys(before)
	if err != nil {
		return err
	}
	fresh, err := publicKeys(after)
	if err != nil {
		return err
	}
	for _, key := range fresh {
		if bytes.Equal(key, old[0]) {
			return nil
		}
	}
	return errors.New("old ServiceAccount signing key not in new ServiceAccount key list")
}

// publicKeys gives the PKIX encoding of each RSA key of a file.
func publicKeys(text []byte) ([][]byte, error) {
	var found [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		encoded, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			return nil, err
		}
		found = append(found, encoded)
	}
	if len(found) == 0 {
		return nil, errors.New("no service key")
	}
	return found, nil
}
