// Judge answers one JSON question a line with what Go's crypto/x509, the verifier that K3s calls, says of it.
package main

import (
	"bufio"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"time"
)

type question struct {
	Op            string
	Leaf          []byte
	Parent        []byte
	Roots         [][]byte
	Intermediates [][]byte
	At            int64
	Usages        []string
}

type facts struct {
	Serial       string   `json:"serial"`
	Subject      string   `json:"subjectDer"`
	Issuer       string   `json:"issuerDer"`
	NotBefore    int64    `json:"notBefore"`
	NotAfter     int64    `json:"notAfter"`
	Spki         string   `json:"spkiSha256"`
	SubjectKey   string   `json:"subjectKeyId"`
	AuthorityKey string   `json:"authorityKeyId"`
	Constrained  bool     `json:"constrained"`
	CA           bool     `json:"ca"`
	PathLength   int      `json:"pathLength"`
	KeyUsage     int      `json:"keyUsage"`
	Usages       []int    `json:"usages"`
	Unknown      []string `json:"unknownUsages"`
	DNS          []string `json:"dns"`
	IP           []string `json:"ip"`
}

type answer struct {
	OK     bool       `json:"ok"`
	Error  string     `json:"error,omitempty"`
	Chains [][]string `json:"chains,omitempty"`
	Facts  *facts     `json:"facts,omitempty"`
}

var usages = map[string]x509.ExtKeyUsage{
	"any":             x509.ExtKeyUsageAny,
	"serverAuth":      x509.ExtKeyUsageServerAuth,
	"clientAuth":      x509.ExtKeyUsageClientAuth,
	"codeSigning":     x509.ExtKeyUsageCodeSigning,
	"emailProtection": x509.ExtKeyUsageEmailProtection,
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for decoder, encoder := json.NewDecoder(in), json.NewEncoder(out); ; {
		var asked question
		if decoder.Decode(&asked) != nil {
			return
		}
		if encoder.Encode(reply(asked)) != nil {
			return
		}
	}
}

func reply(asked question) answer {
	leaf, err := x509.ParseCertificate(asked.Leaf)
	if err != nil {
		return answer{Error: "parse: " + err.Error()}
	}
	switch asked.Op {
	case "parse":
		return answer{OK: true, Facts: factsOf(leaf)}
	case "signature":
		parent, err := x509.ParseCertificate(asked.Parent)
		if err == nil {
			err = parent.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature)
		}
		return failed(err)
	case "verify":
		options := x509.VerifyOptions{CurrentTime: time.Unix(asked.At, 0)}
		if options.Roots, err = pool(asked.Roots); err != nil {
			return failed(err)
		}
		if options.Intermediates, err = pool(asked.Intermediates); err != nil {
			return failed(err)
		}
		for _, name := range asked.Usages {
			options.KeyUsages = append(options.KeyUsages, usages[name])
		}
		chains, err := leaf.Verify(options)
		result := failed(err)
		for _, chain := range chains {
			var hashes []string
			for _, certificate := range chain {
				hash := sha256.Sum256(certificate.Raw)
				hashes = append(hashes, hex.EncodeToString(hash[:]))
			}
			result.Chains = append(result.Chains, hashes)
		}
		return result
	}
	return answer{Error: "unknown question"}
}

func failed(err error) answer {
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{OK: true}
}

func pool(ders [][]byte) (*x509.CertPool, error) {
	result := x509.NewCertPool()
	for _, der := range ders {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		result.AddCert(certificate)
	}
	return result, nil
}

func factsOf(c *x509.Certificate) *facts {
	spki := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	result := &facts{
		Serial:       hex.EncodeToString(c.SerialNumber.Bytes()),
		Subject:      hex.EncodeToString(c.RawSubject),
		Issuer:       hex.EncodeToString(c.RawIssuer),
		NotBefore:    c.NotBefore.Unix(),
		NotAfter:     c.NotAfter.Unix(),
		Spki:         hex.EncodeToString(spki[:]),
		SubjectKey:   hex.EncodeToString(c.SubjectKeyId),
		AuthorityKey: hex.EncodeToString(c.AuthorityKeyId),
		Constrained:  c.BasicConstraintsValid,
		CA:           c.IsCA,
		PathLength:   c.MaxPathLen,
		KeyUsage:     int(c.KeyUsage),
		DNS:          c.DNSNames,
	}
	for _, usage := range c.ExtKeyUsage {
		result.Usages = append(result.Usages, int(usage))
	}
	for _, usage := range c.UnknownExtKeyUsage {
		result.Unknown = append(result.Unknown, usage.String())
	}
	for _, ip := range c.IPAddresses {
		result.IP = append(result.IP, ip.String())
	}
	return result
}
