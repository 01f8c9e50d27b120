package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"time"
)

// A world is a set of certificates whose names, keys and flaws meet in many ways: CAs that sign each other, several
// certificates of one key, several keys of one name.
type world struct {
	random *mathrand.Rand
	at     time.Time
	keys   []crypto.Signer
	cas    []*x509.Certificate
	leaves []*x509.Certificate
}

// Sizes that leave Verify below its own limit of 100 signature checks in nearly every question.
const (
	names              = 5
	certificatesOfCAs  = 11
	certificatesOfEnds = 5
	questionsPerWorld  = 50
)

// puzzles prints questions for verify with Go's answers, one JSON object {question, answer} a line. The same seed and
// count give the same shapes; keys and serial numbers are new each time.
func puzzles(arguments []string, _ io.Reader, out *json.Encoder) error {
	flags := flag.NewFlagSet("puzzles", flag.ContinueOnError)
	seed := flags.Uint64("seed", 1, "chooses the shapes")
	count := flags.Int("count", 1000, "number of questions")
	at := flags.Int64("at", time.Now().Unix(), "seconds since 1970, in the middle of the ordinary validity")
	if err := flags.Parse(arguments); err != nil || flags.NArg() != 0 || *count < 0 {
		return fmt.Errorf("%w, puzzles takes only options", errUsage)
	}
	random := mathrand.New(mathrand.NewPCG(*seed, 0))
	keys, err := worldKeys()
	if err != nil {
		return err
	}
	var w *world
	for i := range *count {
		if i%questionsPerWorld == 0 {
			if w, err = newWorld(random, keys, time.Unix(*at, 0)); err != nil {
				return err
			}
		}
		q := w.question()
		a, err := q.answer()
		if err != nil {
			return err
		}
		if err := out.Encode(map[string]any{"question": q, "answer": a}); err != nil {
			return err
		}
	}
	return nil
}

// worldKeys makes a key of each kind that K3s takes for a CA, and two more of the usual one.
func worldKeys() ([]crypto.Signer, error) {
	var keys []crypto.Signer
	curves := []elliptic.Curve{elliptic.P256(), elliptic.P256(), elliptic.P256(), elliptic.P384(), elliptic.P521()}
	for _, curve := range curves {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	modulus, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return append(keys, edwards, modulus), nil
}

func newWorld(random *mathrand.Rand, keys []crypto.Signer, at time.Time) (*world, error) {
	w := &world{random: random, at: at}
	for _, i := range random.Perm(len(keys)) {
		w.keys = append(w.keys, keys[i])
	}
	for i := range certificatesOfCAs {
		subject := i
		if i >= names {
			subject = random.IntN(names)
		}
		// The first is a root; later ones are signed by an older name mostly, so that chains get long.
		issuer := subject
		if i > 0 && !w.chance(20) {
			issuer = random.IntN(min(i, names))
		}
		certificate, err := w.issue(subject, issuer, true)
		if err != nil {
			return nil, err
		}
		w.cas = append(w.cas, certificate)
	}
	for i := range certificatesOfEnds {
		certificate, err := w.issue(names+i, random.IntN(names), false)
		if err != nil {
			return nil, err
		}
		w.leaves = append(w.leaves, certificate)
	}
	return w, nil
}

func (w *world) chance(percent int) bool { return w.random.IntN(100) < percent }

func (w *world) name(i int) pkix.Name { return pkix.Name{CommonName: fmt.Sprintf("name %d", i)} }

func (w *world) key(i int) crypto.Signer { return w.keys[i%len(w.keys)] }

func keyID(key crypto.Signer) []byte {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err) // All keys are of types that Go made itself.
	}
	digest := sha1.Sum(spki)
	return digest[:]
}

// issue makes a certificate that may have any of the flaws that Verify looks for, and others that it does not.
func (w *world) issue(subject, issuer int, ca bool) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, err
	}
	key, signer := w.key(subject), w.key(issuer)
	if w.chance(4) {
		signer = w.keys[w.random.IntN(len(w.keys))] // The name fits, the signature does not.
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      w.name(subject),
		NotBefore:    w.at.Add(-240 * time.Hour),
		NotAfter:     w.at.Add(240 * time.Hour),
		SubjectKeyId: keyID(key),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	parent := &x509.Certificate{
		Subject: w.name(issuer), PublicKey: signer.Public(), SubjectKeyId: keyID(w.key(issuer)),
	}
	w.bendValidity(template)
	w.bendKeyIDs(template, parent)
	if w.chance(35) || (!ca && w.chance(60)) {
		template.ExtKeyUsage = w.usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth,
			x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageAny, x509.ExtKeyUsageCodeSigning)
	}
	if ca {
		if err := w.bendConstraints(template); err != nil {
			return nil, err
		}
	} else {
		template.DNSNames = []string{"leaf.example.org"}
	}
	if w.chance(3) {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 55555, 1}, Critical: w.chance(70), Value: []byte{5, 0},
		})
	}
	w.bendDigest(template, signer)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	if w.chance(3) {
		der[len(der)-1] ^= 1
	}
	return x509.ParseCertificate(der)
}

func (w *world) bendValidity(template *x509.Certificate) {
	switch {
	case w.chance(5):
		template.NotAfter = w.at.Add(-time.Second)
	case w.chance(5):
		template.NotBefore = w.at.Add(time.Second)
	case w.chance(5):
		template.NotAfter = w.at
	case w.chance(5):
		template.NotBefore = w.at
	}
}

func (w *world) bendKeyIDs(template, parent *x509.Certificate) {
	switch {
	case w.chance(10):
		template.SubjectKeyId = nil
	case w.chance(5):
		template.SubjectKeyId = keyID(w.keys[w.random.IntN(len(w.keys))])
	}
	switch {
	case w.chance(10):
		parent.SubjectKeyId = nil
	case w.chance(8):
		parent.SubjectKeyId = keyID(w.keys[w.random.IntN(len(w.keys))])
	}
}

// basicConstraints is the extension of RFC 5280, section 4.2.1.9, made by hand: CreateCertificate gives a CA always a
// subjectKeyIdentifier, and refuses what is inconsistent.
type basicConstraints struct {
	CA         bool `asn1:"optional"`
	PathLength int  `asn1:"optional,default:-1"`
}

func (w *world) bendConstraints(template *x509.Certificate) error {
	if !w.chance(5) {
		constraints := basicConstraints{CA: !w.chance(5), PathLength: -1}
		if constraints.CA && w.chance(20) {
			constraints.PathLength = w.random.IntN(3)
		}
		value, err := asn1.Marshal(constraints)
		if err != nil {
			return err
		}
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: value,
		})
	}
	switch {
	case w.chance(5): // No keyCertSign.
	case w.chance(10):
		template.KeyUsage = 0 // No extension.
	default:
		template.KeyUsage |= x509.KeyUsageCertSign
	}
	return nil
}

func (w *world) bendDigest(template *x509.Certificate, signer crypto.Signer) {
	switch signer.Public().(type) {
	case *ecdsa.PublicKey:
		algorithms := []x509.SignatureAlgorithm{x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512}
		template.SignatureAlgorithm = algorithms[w.random.IntN(len(algorithms))]
		if w.chance(6) {
			template.SignatureAlgorithm = x509.ECDSAWithSHA1
		}
	case *rsa.PublicKey:
		algorithms := []x509.SignatureAlgorithm{x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA}
		template.SignatureAlgorithm = algorithms[w.random.IntN(len(algorithms))]
		if w.chance(6) {
			template.SignatureAlgorithm = x509.SHA1WithRSA
		}
	}
}

// usages chooses one to three of the given ones without repetition.
func (w *world) usages(from ...x509.ExtKeyUsage) []x509.ExtKeyUsage {
	var chosen []x509.ExtKeyUsage
	seen := map[x509.ExtKeyUsage]bool{}
	for range 1 + w.random.IntN(3) {
		usage := from[w.random.IntN(len(from))]
		if !seen[usage] {
			seen[usage] = true
			chosen = append(chosen, usage)
		}
	}
	return chosen
}

func (w *world) question() question {
	q := question{At: w.at.Unix(), Roots: [][]byte{}, Intermediates: [][]byte{}, Usages: []string{}}
	if w.chance(70) {
		q.Leaf = w.leaves[w.random.IntN(len(w.leaves))].Raw
	} else {
		q.Leaf = w.cas[w.random.IntN(len(w.cas))].Raw
	}
	for _, i := range w.random.Perm(len(w.cas)) {
		ca := w.cas[i]
		selfIssued := string(ca.RawSubject) == string(ca.RawIssuer)
		if (selfIssued && w.chance(60)) || w.chance(8) {
			q.Roots = append(q.Roots, ca.Raw)
		}
		if w.chance(70) {
			q.Intermediates = append(q.Intermediates, ca.Raw)
		}
	}
	asked := [][]string{{}, {"any"}, {"any"}, {"serverAuth"}, {"clientAuth"}, {"serverAuth", "clientAuth"}, {"codeSigning"}}
	q.Usages = asked[w.random.IntN(len(asked))]
	return q
}
