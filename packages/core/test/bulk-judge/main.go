// Command bulk-judge compares leaves with what Go's crypto/x509 makes of the same serial, key, names and dates, in the
// way of rancher/dynamiclistener's NewSignedCert, by which K3s issues its leaves. One JSON question per line on stdin,
// one JSON answer per line on stdout: "" or what is wrong.
package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

type question struct {
	CA, CAKey, Leaf, Key string
	CommonName           string
	Organizations        []string
	DNS, IP              []string
	NotBefore, NotAfter  int64
	Usages               []string
}

var usages = map[string]x509.ExtKeyUsage{
	"serverAuth": x509.ExtKeyUsageServerAuth,
	"clientAuth": x509.ExtKeyUsageClientAuth,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		err := json.Unmarshal(lines.Bytes(), &asked)
		if err == nil {
			err = judge(asked)
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if err := out.Encode(text); err != nil {
			panic(err)
		}
	}
}

func judge(asked question) error {
	ca, err := certificate(asked.CA)
	if err != nil {
		return fmt.Errorf("the CA: %w", err)
	}
	caKey, err := key(asked.CAKey)
	if err != nil {
		return fmt.Errorf("the CA's key: %w", err)
	}
	leaf, err := certificate(asked.Leaf)
	if err != nil {
		return fmt.Errorf("the leaf: %w", err)
	}
	leafKey, err := key(asked.Key)
	if err != nil {
		return fmt.Errorf("the leaf's key: %w", err)
	}
	if equal, ok := leafKey.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !equal.Equal(leaf.PublicKey) {
		return errors.New("the key is not the leaf's")
	}
	template := x509.Certificate{
		SerialNumber: leaf.SerialNumber,
		Subject:      pkix.Name{CommonName: asked.CommonName, Organization: asked.Organizations},
		DNSNames:     asked.DNS,
		NotBefore:    time.Unix(asked.NotBefore, 0).UTC(),
		NotAfter:     time.Unix(asked.NotAfter, 0).UTC(),
		KeyUsage:     x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
	}
	for _, address := range asked.IP {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	for _, usage := range asked.Usages {
		template.ExtKeyUsage = append(template.ExtKeyUsage, usages[usage])
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, ca, leaf.PublicKey, caKey)
	if err != nil {
		return fmt.Errorf("Go makes no such certificate: %w", err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	if !bytes.Equal(made.RawTBSCertificate, leaf.RawTBSCertificate) {
		return fmt.Errorf("Go writes %x, the leaf is %x", made.RawTBSCertificate, leaf.RawTBSCertificate)
	}
	if err := leaf.CheckSignatureFrom(ca); err != nil {
		return err
	}
	if length := len(leaf.SerialNumber.Bytes()); length != 16 {
		return fmt.Errorf("a serial of %d octets", length)
	}
	return nil
}

func certificate(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) != 0 || block.Type != "CERTIFICATE" {
		return nil, errors.New("not one PEM certificate")
	}
	if !bytes.Equal(pem.EncodeToMemory(block), []byte(text)) {
		return nil, errors.New("not the PEM that Go writes")
	}
	return x509.ParseCertificate(block.Bytes)
}

func key(text string) (crypto.Signer, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) != 0 {
		return nil, errors.New("not one PEM block")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("not a signing key")
	}
	return signer, nil
}
