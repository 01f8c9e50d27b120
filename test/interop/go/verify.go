package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// A question is one line of verify's input. Certificates are DER, in base64 in JSON.
type question struct {
	Leaf          []byte   `json:"leaf"`
	Roots         [][]byte `json:"roots"`
	Intermediates [][]byte `json:"intermediates"`
	// At is seconds since 1970.
	At int64 `json:"at"`
	// Usages are serverAuth, clientAuth, ... or any; none means Go's default, serverAuth.
	Usages []string `json:"usages"`
}

// An answer is the line of verify's output for the question of the same line.
type answer struct {
	// Chains hold SHA-256 fingerprints, leaf first.
	Chains [][]string `json:"chains,omitempty"`
	failure
}

var usages = map[string]x509.ExtKeyUsage{
	"any":             x509.ExtKeyUsageAny,
	"serverAuth":      x509.ExtKeyUsageServerAuth,
	"clientAuth":      x509.ExtKeyUsageClientAuth,
	"codeSigning":     x509.ExtKeyUsageCodeSigning,
	"emailProtection": x509.ExtKeyUsageEmailProtection,
	"timeStamping":    x509.ExtKeyUsageTimeStamping,
	"OCSPSigning":     x509.ExtKeyUsageOCSPSigning,
}

// longestLine bounds a question: 16 MiB is 4,000 certificates of 3 KB.
const longestLine = 16 << 20

// verifyLines answers one JSON line with one JSON line: the chains that Verify finds, or the class of its error.
// A certificate that Go can't parse is the class malformed, with the certificate's place in the reason.
func verifyLines(arguments []string, in io.Reader, out *json.Encoder) error {
	if len(arguments) != 0 {
		return fmt.Errorf("%w, verify takes no argument", errUsage)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestLine)
	for number := 1; lines.Scan(); number++ {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		a, err := q.answer()
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (q question) answer() (answer, error) {
	// Pools are never nil: for nil roots Verify would take the machine's own.
	options := x509.VerifyOptions{CurrentTime: time.Unix(q.At, 0)}
	for _, name := range q.Usages {
		usage, known := usages[name]
		if !known {
			return answer{}, fmt.Errorf("unknown usage %q", name)
		}
		options.KeyUsages = append(options.KeyUsages, usage)
	}
	leaf, err := x509.ParseCertificate(q.Leaf)
	if err != nil {
		return answer{failure: fail("malformed", fmt.Errorf("leaf: %w", err))}, nil
	}
	for _, set := range []struct {
		name string
		ders [][]byte
		pool **x509.CertPool
	}{{"root", q.Roots, &options.Roots}, {"intermediate", q.Intermediates, &options.Intermediates}} {
		*set.pool = x509.NewCertPool()
		for i, der := range set.ders {
			certificate, err := x509.ParseCertificate(der)
			if err != nil {
				return answer{failure: fail("malformed", fmt.Errorf("%s %d: %w", set.name, i, err))}, nil
			}
			(*set.pool).AddCert(certificate)
		}
	}
	found, err := leaf.Verify(options)
	if err != nil {
		return answer{failure: classifyVerify(err)}, nil
	}
	return answer{Chains: fingerprints(found)}, nil
}
