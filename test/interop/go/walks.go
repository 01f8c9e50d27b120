package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	certutil "github.com/rancher/dynamiclistener/cert"
	"github.com/rancher/dynamiclistener/factory"
	"k8s.io/client-go/util/keyutil"
)

// A walkStep asks about a data dir at a time of the caller's choice, seconds since 1970. Do is "start", which writes what
// K3s's start writes, "judge", which only tells what it would meet, or "load", which first puts the set in Staged in place
// as a rotate-ca without --force and the restart after it do.
type walkStep struct {
	Do  string `json:"do"`
	Dir string `json:"dir"`
	// Staged is the folder that rotate-ca's --path names.
	Staged string `json:"staged"`
	At     int64  `json:"at"`
}

type walkVerdict struct {
	// Refused has what rotate-ca logs, when it changes nothing.
	Refused []refusedField `json:"refused"`
	// OK: every CA can sign, every leaf that is kept is accepted by its other end, tokens can be signed.
	OK         bool              `json:"ok"`
	CAs        []leafVerdict     `json:"cas"`
	Leaves     []walkLeaf        `json:"leaves"`
	ServiceKey serviceKeyVerdict `json:"serviceKey"`
	// ServiceKeys are the SPKI digests of every key that verifies tokens, in file order.
	ServiceKeys []string `json:"serviceKeys"`
	// Listener is the supervisor's certificate in tls/dynamic-cert.json; its failure does not stop a start.
	Listener leafVerdict `json:"listener"`
}

// A walkLeaf is one leaf: what a start does to it, and whether what is kept is accepted.
type walkLeaf struct {
	leafVerdict
	// Action is keep or renew.
	Action string `json:"action,omitempty"`
}

// The renewal window of the releases since May 2025.
const renewalWindow = 120 * 24 * time.Hour

// agentLeaves lie in agent/ and are asked for at every start; serverCopies lie in tls/ too.
var agentLeaves = map[string]bool{
	"client-kubelet": true, "serving-kubelet": true, "client-kube-proxy": true, "client-k3s-controller": true,
}
var serverKeysOnly = map[string]bool{"client-kubelet": true, "serving-kubelet": true}

// walks answers each line, a walkStep. Loading, parsing and making of keys and certificates are dynamiclistener's, chains
// crypto/x509's; the order and the comparisons follow K3s, pkg/daemons/control/deps/deps.go.
func walks(_ []string, in io.Reader, out *json.Encoder) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var step walkStep
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			return err
		}
		verdict, err := step.take()
		if err != nil {
			return err
		}
		if err := out.Encode(verdict); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (s walkStep) take() (walkVerdict, error) {
	verdict := walkVerdict{OK: true, Leaves: []walkLeaf{}, ServiceKeys: []string{}}
	if s.Do == "load" {
		var err error
		if verdict.Refused, err = s.load(); err != nil {
			return verdict, err
		}
	}
	authorities := map[string]authority{}
	for _, ca := range caFiles {
		loaded, failed := loadAuthority(s.tls(), ca)
		if failed.Class == "" {
			failed = s.probe(loaded)
		}
		if failed.Class == "" {
			authorities[ca.Name] = loaded
		}
		verdict.CAs = append(verdict.CAs, leafVerdict{ca.Name, failed.Class == "", failed})
		verdict.OK = verdict.OK && failed.Class == ""
	}
	// A start that fails at a CA goes no further; what was written before it stays.
	for _, kind := range leafTable {
		ca, usable := authorities[kind.ca]
		if !usable {
			continue
		}
		if !serverKeysOnly[kind.name] {
			judged, err := s.leaf(filepath.Join(s.tls(), kind.name), kind, ca, false)
			if err != nil {
				return verdict, err
			}
			verdict.Leaves = append(verdict.Leaves, judged)
			verdict.OK = verdict.OK && judged.OK
		} else if s.Do == "start" {
			if _, _, err := certutil.LoadOrGenerateKeyFile(filepath.Join(s.tls(), kind.name+".key"), false); err != nil {
				return verdict, err
			}
		}
		if agentLeaves[kind.name] && s.Do == "start" {
			if _, err := s.leaf(filepath.Join(s.Dir, "agent", kind.name), kind, ca, true); err != nil {
				return verdict, err
			}
		}
	}
	if ca, usable := authorities["server"]; usable {
		var err error
		if verdict.Listener, err = s.listener(ca); err != nil {
			return verdict, err
		}
	}
	file := filepath.Join(s.tls(), "service.key")
	verdict.ServiceKey = judgeServiceKey(file)
	verdict.OK = verdict.OK && verdict.ServiceKey.OK
	if publics, err := keyutil.PublicKeysFromFile(file); err == nil {
		for _, public := range publics {
			facts, err := factsOf(public)
			if err != nil {
				return verdict, err
			}
			verdict.ServiceKeys = append(verdict.ServiceKeys, facts.SPKISHA256)
		}
	}
	return verdict, nil
}

// load answers what rotate-ca refuses, or copies the staged CAs and service account keys.
func (s walkStep) load() ([]refusedField, error) {
	question := rotationQuestion{Current: filepath.Join(s.Dir, "server"), Proposed: s.Staged, At: s.At}
	if refused := question.answer().Refused; len(refused) > 0 {
		return refused, nil
	}
	names := []string{"service.key"}
	for _, ca := range caFiles {
		names = append(names, ca.Path+".crt", ca.Path+".key")
	}
	for _, name := range names {
		held, staged := question.paths(name)
		if held == staged {
			continue
		}
		content, err := os.ReadFile(staged)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(held, content, 0o600); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s walkStep) tls() string { return filepath.Join(s.Dir, "server", "tls") }

func (s walkStep) now() time.Time { return time.Unix(s.At, 0) }

// probe tells whether leaves of a CA would be accepted at the step's time.
func (s walkStep) probe(ca authority) failure {
	keyPEM, err := certutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return fail("other", err)
	}
	made, err := s.sign(certutil.Config{CommonName: "probe", Usages: both}, keyPEM, ca)
	if err != nil {
		return classifySigning(err)
	}
	return s.accepted(made, both, ca)
}

// leaf looks after one leaf as createClientCertKey does; asked is an agent's, which gets a new one every time.
func (s walkStep) leaf(path string, kind leaf, ca authority, asked bool) (walkLeaf, error) {
	verdict := walkLeaf{leafVerdict: leafVerdict{Name: kind.name, OK: true}, Action: "renew"}
	certificateFile, keyFile := path+".crt", path+".key"
	wanted := leafCase{CommonName: kind.config.CommonName, Organizations: kind.config.Organization,
		DNS: kind.config.AltNames.DNSNames, IP: kind.config.AltNames.IPs}
	force := false
	held, err := certutil.CertsFromFile(certificateFile)
	if err == nil && !asked {
		caFile := filepath.Join(s.tls(), kind.ca+"-ca.crt")
		force = held[0].NotAfter.Sub(s.now()) <= renewalWindow || wanted.differs(held[0], caFile)
	}
	if !asked && !force && exists(certificateFile) && exists(keyFile) {
		verdict.Action = "keep"
		verdict.failure = s.kept(certificateFile, keyFile, kind, ca)
		verdict.OK = verdict.Class == ""
		return verdict, nil
	}
	if s.Do != "start" {
		// A key that stays has to be readable.
		if key, err := os.ReadFile(keyFile); err == nil && !force && !verifiableKey(key) {
			verdict.OK, verdict.failure = false, fail("key-unreadable", errors.New("the key that stays can't be read"))
		}
		return verdict, nil
	}
	keyPEM, _, err := certutil.LoadOrGenerateKeyFile(keyFile, force)
	if err != nil {
		verdict.OK, verdict.failure = false, fail("key-unreadable", err)
		return verdict, nil
	}
	made, err := s.sign(kind.config, keyPEM, ca)
	if err != nil {
		return verdict, err
	}
	var file bytes.Buffer
	for _, one := range append([]*x509.Certificate{made}, ca.bundle...) {
		file.Write(certutil.EncodeCertPEM(one))
	}
	return verdict, certutil.WriteCert(certificateFile, file.Bytes())
}

func verifiableKey(data []byte) bool {
	key, err := certutil.ParsePrivateKeyPEM(data)
	return err == nil && key != nil
}

// kept tells whether the pair on the disk serves and calls as it should: nobody else looks.
func (s walkStep) kept(certificateFile, keyFile string, kind leaf, ca authority) failure {
	pair, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return fail("pair", err)
	}
	return s.accepted(pair.Leaf, kind.config.Usages, ca)
}

func (s walkStep) accepted(certificate *x509.Certificate, usages []x509.ExtKeyUsage, ca authority) failure {
	for _, usage := range usages {
		options := x509.VerifyOptions{
			Roots: pool(ca.bundle), Intermediates: pool(ca.bundle), CurrentTime: s.now(),
			KeyUsages: []x509.ExtKeyUsage{usage},
		}
		if _, err := certificate.Verify(options); err != nil {
			return classifyVerify(err)
		}
	}
	return failure{}
}

// sign makes a leaf by NewSignedCert, which reads the machine's clock, and moves its validity to the step's time.
func (s walkStep) sign(config certutil.Config, keyPEM []byte, ca authority) (*x509.Certificate, error) {
	key, err := certutil.ParsePrivateKeyPEM(keyPEM)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T can't sign", key)
	}
	made, err := certutil.NewSignedCert(config, signer, ca.bundle[0], ca.key)
	if err != nil {
		return nil, err
	}
	lifetime := made.NotAfter.Sub(made.NotBefore)
	made.NotBefore = s.now().Add(-time.Hour)
	if made.NotBefore.Before(ca.bundle[0].NotBefore) {
		made.NotBefore = ca.bundle[0].NotBefore
	}
	made.NotAfter = made.NotBefore.Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, made, ca.bundle[0], signer.Public(), ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// A cachedListener is what tls/dynamic-cert.json holds of a Secret.
type cachedListener struct {
	Data map[string][]byte `json:"data"`
}

// listener makes the supervisor's certificate where it is missing, old, or asked for by the marker, and tells whether the
// one in the file is accepted. Source: K3s, pkg/cluster/https.go.
func (s walkStep) listener(ca authority) (leafVerdict, error) {
	verdict := leafVerdict{Name: supervisorLeaf, OK: true}
	file, marker := filepath.Join(s.tls(), "dynamic-cert.json"), filepath.Join(s.tls(), "dynamic-cert-regenerate")
	var cached cachedListener
	content, err := os.ReadFile(file)
	if err == nil {
		if err := json.Unmarshal(content, &cached); err != nil {
			verdict.OK, verdict.failure = false, fail("unreadable", err)
			return verdict, nil
		}
	}
	block, _ := pem.Decode(cached.Data["tls.crt"])
	if block != nil && !exists(marker) {
		held, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return verdict, err
		}
		if held.NotAfter.Sub(s.now()) > renewalWindow {
			verdict.failure = s.accepted(held, serverOnly, ca)
			verdict.OK = verdict.Class == ""
			return verdict, nil
		}
	}
	if s.Do != "start" {
		return verdict, nil
	}
	key, err := factory.NewPrivateKey()
	if err != nil {
		return verdict, err
	}
	keyPEM, err := certutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return verdict, err
	}
	made, err := s.sign(certutil.Config{CommonName: "k3s", Usages: serverOnly}, keyPEM, ca)
	if err != nil {
		return verdict, err
	}
	cached.Data = map[string][]byte{"tls.crt": certutil.EncodeCertPEM(made), "tls.key": keyPEM}
	if content, err = json.Marshal(cached); err != nil {
		return verdict, err
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return verdict, err
	}
	if err := os.Remove(marker); err != nil && !strings.Contains(err.Error(), "no such file") {
		return verdict, err
	}
	return verdict, nil
}
