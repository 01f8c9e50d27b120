package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"time"

	certutil "github.com/rancher/dynamiclistener/cert"
	"k8s.io/client-go/util/keyutil"
)

// A rotationQuestion is one line of rotate-ca's input: two server folders, each with its tls folder.
type rotationQuestion struct {
	Current  string `json:"current"`
	Proposed string `json:"proposed"`
	// At is seconds since 1970.
	At int64 `json:"at"`
}

// A rotationAnswer has the fields that K3s refuses, in its order, with the text of its log.
type rotationAnswer struct {
	Refused []refusedField `json:"refused"`
	// OldTrustsNew and NewTrustsOld are asked by TLS rules for every CA whose bundles can be read in both sets: all
	// certificates of the one bundle are anchors, the rest of the other one is sent along.
	OldTrustsNew map[string]bool `json:"oldTrustsNew"`
	NewTrustsOld map[string]bool `json:"newTrustsOld"`
}

type refusedField struct {
	Field string `json:"field"`
	Text  string `json:"text"`
}

// The CAs in the order of K3s's struct, around the service key. Source: K3s, pkg/daemons/config/types.go.
var rotated = []struct{ field, path string }{
	{"ETCDServerCA", "etcd/server-ca"},
	{"ETCDPeerCA", "etcd/peer-ca"},
	{"ServerCA", "server-ca"},
	{"ClientCA", "client-ca"},
	{"ServiceKey", ""},
	{"RequestHeaderCA", "request-header-ca"},
}

// rotateCA answers one JSON line with one JSON line. Source of the rules: K3s, pkg/server/handlers/cert.go.
func rotateCA(arguments []string, in io.Reader, out *json.Encoder) error {
	if len(arguments) != 0 {
		return fmt.Errorf("%w, rotate-ca takes no argument", errUsage)
	}
	lines := bufio.NewScanner(in)
	for number := 1; lines.Scan(); number++ {
		var q rotationQuestion
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := out.Encode(q.answer()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (q rotationQuestion) answer() rotationAnswer {
	a := rotationAnswer{Refused: []refusedField{}, OldTrustsNew: map[string]bool{}, NewTrustsOld: map[string]bool{}}
	at := time.Unix(q.At, 0)
	refuse := func(field string, err error) {
		if err != nil {
			a.Refused = append(a.Refused, refusedField{field, err.Error()})
		}
	}
	for _, one := range rotated {
		if one.path == "" {
			old, fresh := q.paths("service.key")
			refuse(one.field, serviceKeyRotates(old, fresh))
			continue
		}
		old, fresh := q.paths(one.path + ".crt")
		oldKey, freshKey := q.paths(one.path + ".key")
		if old != fresh {
			refuse(one.field, bundleRotates(old, fresh, at))
		}
		if old != fresh || oldKey != freshKey {
			if _, err := tls.LoadX509KeyPair(fresh, freshKey); err != nil {
				refuse(one.field+"Key", fmt.Errorf("new CA cert and key cannot be loaded as X590KeyPair: %w", err))
			}
		}
		before, errBefore := certutil.CertsFromFile(old)
		after, errAfter := certutil.CertsFromFile(fresh)
		if errBefore == nil && errAfter == nil {
			a.OldTrustsNew[one.path] = accepts(before, after, at)
			a.NewTrustsOld[one.path] = accepts(after, before, at)
		}
	}
	return a
}

// paths gives the file in use and the one that would be: a proposed file that is missing or empty is passed over.
func (q rotationQuestion) paths(name string) (old, fresh string) {
	old = filepath.Join(q.Current, "tls", name)
	proposed := filepath.Join(q.Proposed, "tls", name)
	if info, err := os.Stat(proposed); err != nil || info.Size() == 0 {
		return old, old
	}
	return old, proposed
}

func bundleRotates(oldFile, freshFile string, at time.Time) error {
	old, err := certutil.CertsFromFile(oldFile)
	if err != nil {
		return err
	}
	fresh, err := certutil.CertsFromFile(freshFile)
	if err != nil {
		return err
	}
	if len(fresh) == 1 {
		return errors.New("new CA bundle contains only a single certificate but should include root or intermediate CA certificates")
	}
	anchors, between := x509.NewCertPool(), x509.NewCertPool()
	for _, certificate := range old {
		if isRoot(certificate) {
			anchors.AddCert(certificate)
		} else {
			between.AddCert(certificate)
		}
	}
	for _, certificate := range fresh[1:] {
		if len(certificate.AuthorityKeyId) != 0 {
			between.AddCert(certificate)
		}
	}
	options := x509.VerifyOptions{Roots: anchors, Intermediates: between, CurrentTime: at}
	if _, err := fresh[0].Verify(options); err != nil {
		return fmt.Errorf("new CA cert cannot be verified using old CA chain: %w", err)
	}
	return nil
}

func serviceKeyRotates(oldFile, freshFile string) error {
	old, err := keyutil.PublicKeysFromFile(oldFile)
	if err != nil {
		return err
	}
	fresh, err := keyutil.PublicKeysFromFile(freshFile)
	if err != nil {
		return err
	}
	for _, key := range fresh {
		if reflect.DeepEqual(key, old[0]) {
			return nil
		}
	}
	return errors.New("old ServiceAccount signing key not in new ServiceAccount key list")
}

func accepts(trusted, sent []*x509.Certificate, at time.Time) bool {
	_, err := sent[0].Verify(x509.VerifyOptions{
		Roots: pool(trusted), Intermediates: pool(sent[1:]), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err == nil
}
