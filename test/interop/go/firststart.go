package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	certutil "github.com/rancher/dynamiclistener/cert"
	"github.com/rancher/dynamiclistener/factory"
	"k8s.io/client-go/util/keyutil"
)

// supervisorLeaf is the certificate of the supervisor's own listener, tls/dynamic-cert.json, which dynamiclistener's
// factory signs. Source: K3s, pkg/cluster/https.go.
const supervisorLeaf = "dynamic-cert"

// A startVerdict says whether K3s comes up on a set of CAs.
type startVerdict struct {
	OK         bool              `json:"ok"`
	CAs        []caVerdict       `json:"cas"`
	ServiceKey serviceKeyVerdict `json:"serviceKey"`
	// Meetings are the TLS connections between the components, made with the leaves.
	Meetings []leafVerdict `json:"meetings"`
	// CAHash is that of server-ca.crt.
	CAHash caHash `json:"caHash"`
}

// A caVerdict is that of one CA; its failure is the first one on the way that K3s takes.
type caVerdict struct {
	Name         string `json:"name"`
	OK           bool   `json:"ok"`
	Certificates int    `json:"certificates"`
	failure
	Leaves []leafVerdict `json:"leaves,omitempty"`
}

type leafVerdict struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	failure
}

type serviceKeyVerdict struct {
	OK bool `json:"ok"`
	failure
	// First are the facts of the key that signs tokens.
	First *keyFacts `json:"first,omitempty"`
	// PublicKeys is the number of keys with which the API server verifies tokens.
	PublicKeys int `json:"publicKeys"`
}

// An authority is a CA as K3s holds it in memory, with the leaves that it signed.
type authority struct {
	bundle []*x509.Certificate
	key    crypto.Signer
}

// firstStart judges SERVER_DIR/tls as the first start of a K3s server does, without writing anything.
func firstStart(arguments []string, _ io.Reader, out *json.Encoder) error {
	if len(arguments) != 1 {
		return fmt.Errorf("%w, first-start needs a server folder", errUsage)
	}
	folder := filepath.Join(arguments[0], "tls")
	if _, err := os.Stat(folder); err != nil {
		return err
	}
	verdict := startVerdict{OK: true}
	authorities := map[string]authority{}
	issued := map[string]tls.Certificate{}
	for _, ca := range caFiles {
		judged := judgeCA(folder, ca, authorities, issued)
		verdict.OK = verdict.OK && judged.OK
		verdict.CAs = append(verdict.CAs, judged)
	}
	verdict.ServiceKey = judgeServiceKey(filepath.Join(folder, "service.key"))
	verdict.OK = verdict.OK && verdict.ServiceKey.OK
	for _, m := range meetings {
		judged := leafVerdict{Name: m.name}
		serverLeaf, serverThere := issued[m.server]
		clientLeaf, clientThere := issued[m.client]
		if !serverThere || !clientThere {
			judged.failure = fail("no-certificate", errors.New("one of the two has no certificate"))
		} else if err := m.hold(authorities, serverLeaf, clientLeaf); err != nil {
			judged.failure = classifyVerify(err)
		} else {
			judged.OK = true
		}
		verdict.OK = verdict.OK && judged.OK
		verdict.Meetings = append(verdict.Meetings, judged)
	}
	if content, err := os.ReadFile(filepath.Join(folder, "server-ca.crt")); err == nil {
		verdict.CAHash = hashBundle(content, time.Now())
	} else {
		verdict.CAHash.failure = fail("absent", err)
	}
	return out.Encode(verdict)
}

// judgeCA loads one CA, issues a leaf of each of its kinds and verifies it as the other end of a connection does.
func judgeCA(folder string, ca caFile, authorities map[string]authority, issued map[string]tls.Certificate) caVerdict {
	verdict := caVerdict{Name: ca.Name}
	loaded, failed := loadAuthority(folder, ca)
	verdict.Certificates = len(loaded.bundle)
	if failed.Class != "" {
		verdict.failure = failed
		return verdict
	}
	authorities[ca.Name] = loaded
	for _, kind := range leafTable {
		if kind.ca != ca.Name {
			continue
		}
		verdict.Leaves = append(verdict.Leaves, judgeLeaf(kind, loaded, issued))
	}
	if ca.Name == "server" {
		verdict.Leaves = append(verdict.Leaves, judgeSupervisorLeaf(folder, ca, issued))
	}
	verdict.OK = true
	for _, l := range verdict.Leaves {
		if !l.OK {
			verdict.OK, verdict.failure = false, failure{l.Class, l.Name + ": " + l.Reason, l.Hint}
			break
		}
	}
	return verdict
}

func loadAuthority(folder string, ca caFile) (authority, failure) {
	certificateFile := filepath.Join(folder, ca.Path+".crt")
	keyFile := filepath.Join(folder, ca.Path+".key")
	certificateThere, keyThere := exists(certificateFile), exists(keyFile)
	if !certificateThere && !keyThere {
		return authority{}, fail("absent", errors.New("no files: K3s makes a self-signed CA"))
	}
	if !certificateThere || !keyThere {
		return authority{}, fail("half-pair", errors.New("half a pair: K3s replaces it by a self-signed CA"))
	}
	bundle, err := certutil.CertsFromFile(certificateFile)
	if err != nil {
		return authority{}, fail("certificate-unreadable", err)
	}
	if strings.HasPrefix(ca.Name, "etcd/") {
		if err := readableByEtcd(certificateFile); err != nil {
			return authority{bundle: bundle}, fail("certificate-unreadable", err)
		}
	}
	key, err := certutil.PrivateKeyFromFile(keyFile)
	if err != nil {
		return authority{bundle: bundle}, fail("key-unreadable", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return authority{bundle: bundle}, fail("key-type", fmt.Errorf("a %T can't sign", key))
	}
	return authority{bundle, signer}, failure{}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// readableByEtcd tells whether etcd could load a bundle: unlike K3s it parses every PEM block as a certificate,
// whatever its label is. Source: etcd, client/pkg/tlsutil/tlsutil.go, NewCertPool.
func readableByEtcd(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("etcd can't read the %s block: %w", block.Type, err)
		}
	}
	return nil
}

func judgeLeaf(kind leaf, ca authority, issued map[string]tls.Certificate) leafVerdict {
	verdict := leafVerdict{Name: kind.name}
	keyPEM, err := certutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		verdict.failure = fail("other", err)
		return verdict
	}
	key, err := certutil.ParsePrivateKeyPEM(keyPEM)
	if err != nil {
		verdict.failure = fail("other", err)
		return verdict
	}
	certificate, err := certutil.NewSignedCert(kind.config, key.(crypto.Signer), ca.bundle[0], ca.key)
	if err != nil {
		verdict.failure = classifySigning(err)
		return verdict
	}
	verdict.failure = judgeIssued(kind.name, certificate, keyPEM, kind.config.Usages, ca.bundle, issued)
	verdict.OK = verdict.Class == ""
	return verdict
}

// judgeSupervisorLeaf does the same for the supervisor's listener, which loads the CA by another function.
func judgeSupervisorLeaf(folder string, ca caFile, issued map[string]tls.Certificate) leafVerdict {
	verdict := leafVerdict{Name: supervisorLeaf}
	bundle, caKey, err := factory.LoadCertsChain(
		filepath.Join(folder, ca.Path+".crt"), filepath.Join(folder, ca.Path+".key"))
	if err != nil {
		verdict.failure = fail("certificate-unreadable", err)
		return verdict
	}
	key, err := factory.NewPrivateKey()
	if err != nil {
		verdict.failure = fail("other", err)
		return verdict
	}
	names := serverNames("kubernetes")
	certificate, err := factory.NewSignedCert(key, bundle[0], caKey, "k3s", []string{"k3s"}, names.DNSNames, names.IPs)
	if err != nil {
		verdict.failure = classifySigning(err)
		return verdict
	}
	keyPEM, err := certutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		verdict.failure = fail("other", err)
		return verdict
	}
	verdict.failure = judgeIssued(supervisorLeaf, certificate, keyPEM, serverOnly, bundle, issued)
	verdict.OK = verdict.Class == ""
	return verdict
}

// judgeIssued verifies a new leaf once per usage and name. Every certificate of the bundle is an anchor: so the API
// server (client-ca-file), the kubeconfigs (certificate-authority) and etcd (trusted-ca-file) take the bundles.
func judgeIssued(name string, certificate *x509.Certificate, keyPEM []byte, wanted []x509.ExtKeyUsage,
	bundle []*x509.Certificate, issued map[string]tls.Certificate) failure {
	for _, usage := range wanted {
		options := x509.VerifyOptions{
			Roots: pool(bundle), Intermediates: pool(bundle), KeyUsages: []x509.ExtKeyUsage{usage},
		}
		hosts := []string{""}
		if usage == x509.ExtKeyUsageServerAuth {
			hosts = append(hosts, certificate.DNSNames...)
			for _, ip := range certificate.IPAddresses {
				hosts = append(hosts, ip.String())
			}
		}
		for _, host := range hosts {
			options.DNSName = host
			if _, err := certificate.Verify(options); err != nil {
				return classifyVerify(err)
			}
		}
	}
	// The file that K3s writes is the leaf and the whole bundle after it.
	var file bytes.Buffer
	for _, c := range append([]*x509.Certificate{certificate}, bundle...) {
		file.Write(certutil.EncodeCertPEM(c))
	}
	pair, err := tls.X509KeyPair(file.Bytes(), keyPEM)
	if err != nil {
		return fail("other", err)
	}
	issued[name] = pair
	return failure{}
}

func classifySigning(err error) failure {
	if strings.Contains(err.Error(), "doesn't match parent's PublicKey") {
		return fail("key-mismatch", err)
	}
	return fail("can't-sign", err)
}

// hold makes the connection in memory, with a certificate demanded from both ends.
func (m meeting) hold(authorities map[string]authority, serverLeaf, clientLeaf tls.Certificate) error {
	near, far := net.Pipe()
	defer near.Close()
	server := tls.Server(near, &tls.Config{
		Certificates: []tls.Certificate{serverLeaf}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: pool(authorities[m.clientCA].bundle),
	})
	client := tls.Client(far, &tls.Config{
		Certificates: []tls.Certificate{clientLeaf}, ServerName: "localhost",
		RootCAs: pool(authorities[m.serverCA].bundle),
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	clientErr := make(chan error, 1)
	go func() {
		defer far.Close()
		err := client.HandshakeContext(ctx)
		if err == nil {
			// In TLS 1.3 a client learns of a refusal only when it reads.
			_, err = client.Read(make([]byte, 1))
		}
		clientErr <- err
	}()
	serverErr := server.HandshakeContext(ctx)
	if serverErr == nil {
		_, serverErr = server.Write([]byte{0})
	} else {
		near.Close()
	}
	// The end that refuses knows why, the other one only that it was refused.
	return errors.Join(<-clientErr, serverErr)
}

// judgeServiceKey loads service.key as K3s does (the first key goes to service.current.key and signs) and as the
// API server does (every public key verifies), then signs and verifies with them.
// Source: K3s, pkg/daemons/control/deps/deps.go, genServiceAccount; Kubernetes, pkg/serviceaccount/jwt.go.
func judgeServiceKey(file string) serviceKeyVerdict {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return serviceKeyVerdict{failure: fail("absent", errors.New("no file: K3s makes a key"))}
	}
	private, err := keyutil.PrivateKeyFromFile(file)
	if err != nil {
		return serviceKeyVerdict{failure: fail("key-unreadable", err)}
	}
	if _, err := keyutil.MarshalPrivateKeyToPEM(private); err != nil {
		return serviceKeyVerdict{failure: fail("key-type", err)}
	}
	signer := private.(crypto.Signer)
	verdict := serviceKeyVerdict{}
	facts, err := factsOf(signer.Public())
	if err != nil {
		verdict.failure = fail("key-type", err)
		return verdict
	}
	verdict.First = &facts
	if facts.Curve == "p224" {
		verdict.failure = fail("key-type", errors.New("curve P-224 has no JWT algorithm"))
		return verdict
	}
	publics, err := keyutil.PublicKeysFromFile(file)
	if err != nil {
		verdict.failure = fail("key-unreadable", err)
		return verdict
	}
	verdict.PublicKeys = len(publics)
	digest := sha256.Sum256([]byte("token"))
	signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		verdict.failure = fail("can't-sign", err)
		return verdict
	}
	for _, public := range publics {
		if verifies(public, digest[:], signature) {
			verdict.OK = true
			return verdict
		}
	}
	verdict.failure = fail("signing-key-unknown", errors.New(
		"the API server does not find the first key among the file's public keys"))
	return verdict
}

func verifies(public any, digest, signature []byte) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest, signature)
	default:
		return false
	}
}
