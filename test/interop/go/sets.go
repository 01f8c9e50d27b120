package main

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	certutil "github.com/rancher/dynamiclistener/cert"
)

// defaultCAs writes the CAs and the service account key that K3s makes at a first start without any into
// SERVER_DIR/tls. Source: K3s, pkg/daemons/control/deps/deps.go, createSigningCertKey and genServiceAccount.
func defaultCAs(arguments []string, _ io.Reader, out *json.Encoder) error {
	if len(arguments) != 2 {
		return fmt.Errorf("%w, default-cas needs a product and a server folder", errUsage)
	}
	product, folder := arguments[0], filepath.Join(arguments[1], "tls")
	for _, ca := range []struct{ prefix, path string }{
		{product + "-client", "client-ca"},
		{product + "-server", "server-ca"},
		{product + "-request-header", "request-header-ca"},
		{"etcd-server", "etcd/server-ca"},
		{"etcd-peer", "etcd/peer-ca"},
	} {
		pem, _, err := certutil.LoadOrGenerateKeyFile(filepath.Join(folder, ca.path+".key"), false)
		if err != nil {
			return err
		}
		key, err := certutil.ParsePrivateKeyPEM(pem)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s-ca@%d", ca.prefix, time.Now().Unix())
		certificate, err := certutil.NewSelfSignedCACert(certutil.Config{CommonName: name}, key.(crypto.Signer))
		if err != nil {
			return err
		}
		if err := certutil.WriteCert(filepath.Join(folder, ca.path+".crt"), certutil.EncodeCertPEM(certificate)); err != nil {
			return err
		}
	}
	key, err := certutil.NewPrivateKey()
	if err != nil {
		return err
	}
	if err := certutil.WriteKey(filepath.Join(folder, "service.key"), certutil.EncodePrivateKeyPEM(key)); err != nil {
		return err
	}
	return out.Encode(map[string]bool{"ok": true})
}

// signLeaf has a CA sign a leaf for both usages as K3s signs its own, and prints it in DER. Source: K3s,
// pkg/daemons/control/deps/deps.go, createClientCertKey.
func signLeaf(arguments []string, _ io.Reader, out *json.Encoder) error {
	if len(arguments) != 4 {
		return fmt.Errorf("%w, sign needs a bundle, a key file, a common name and an organization", errUsage)
	}
	bundle, err := certutil.CertsFromFile(arguments[0])
	if err != nil {
		return err
	}
	caKey, err := certutil.PrivateKeyFromFile(arguments[1])
	if err != nil {
		return err
	}
	pem, err := certutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return err
	}
	key, err := certutil.ParsePrivateKeyPEM(pem)
	if err != nil {
		return err
	}
	leaf, err := certutil.NewSignedCert(certutil.Config{
		CommonName:   arguments[2],
		Organization: []string{arguments[3]},
		Usages:       []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key.(crypto.Signer), bundle[0], caKey.(crypto.Signer))
	if err != nil {
		return err
	}
	return out.Encode(map[string][]byte{"leaf": leaf.Raw})
}

// tokenOf prints the token that a server writes at its start for credentials and a bundle. Source: K3s,
// pkg/clientaccess/token.go, FormatToken.
func tokenOf(arguments []string, _ io.Reader, out *json.Encoder) error {
	if len(arguments) != 2 {
		return fmt.Errorf("%w, token-of needs a bundle and credentials", errUsage)
	}
	content, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	return out.Encode(map[string]string{"token": "K10" + hashBundle(content, time.Now()).Hash + "::" + arguments[1]})
}
