package main

import (
	"crypto/x509"
	"errors"
	"regexp"
	"strings"
)

// A failure is the class of an error and the text that Go gave. Classes are stable, texts are not.
type failure struct {
	Class  string `json:"failure,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Hint is the class of what spoilt the first candidate issuer. Only an unknown authority has one.
	Hint string `json:"hint,omitempty"`
}

func fail(class string, err error) failure { return failure{Class: class, Reason: err.Error()} }

var reasons = map[x509.InvalidReason]string{
	x509.NotAuthorizedToSign:           "not-a-ca",
	x509.CANotAuthorizedForThisName:    "name-constraints",
	x509.TooManyIntermediates:          "path-length",
	x509.IncompatibleUsage:             "incompatible-usage",
	x509.NameMismatch:                  "name-mismatch",
	x509.UnconstrainedName:             "name-constraints",
	x509.TooManyConstraints:            "name-constraints",
	x509.CANotAuthorizedForExtKeyUsage: "incompatible-usage",
	x509.NoValidChains:                 "no-valid-chains",
}

// classifyVerify classifies what x509.Certificate.Verify returned.
func classifyVerify(err error) failure {
	text := err.Error()
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return failure{Class: validityClass(text), Reason: text}
		}
		if class, ok := reasons[invalid.Reason]; ok {
			return failure{Class: class, Reason: text}
		}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return failure{Class: "unknown-authority", Reason: text, Hint: hintClass(text)}
	}
	if _, ok := errors.AsType[x509.UnhandledCriticalExtension](err); ok {
		return fail("unsupported", err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fail("host-name", err)
	}
	if strings.Contains(text, "signature check attempts limit") {
		return fail("limit", err)
	}
	return fail("other", err)
}

// validityClass splits x509.Expired, which stands for both ends of the validity: only its text tells them apart.
func validityClass(text string) string {
	if strings.Contains(text, " is before ") {
		return "not-yet-valid"
	}
	return "expired"
}

var hinted = regexp.MustCompile(`possibly because of "(.*)" while trying to verify`)

// hintClass reads the cause that x509.UnknownAuthorityError holds in an unexported field from its text.
func hintClass(text string) string {
	match := hinted.FindStringSubmatch(text)
	if match == nil {
		return ""
	}
	for _, known := range []struct{ part, class string }{
		{"cannot sign this kind of certificate", "not-a-ca"},
		{"not authorized to sign", "not-a-ca"},
		{"too many intermediates", "path-length"},
		{"insecure algorithm", "insecure-algorithm"},
		{"algorithm unimplemented", "unsupported"},
		{"unhandled critical extension", "unsupported"},
		{"has expired or is not yet valid", validityClass(match[1])},
		{"verification failure", "bad-signature"},
		{"verification error", "bad-signature"},
		{"signature algorithm specifies", "bad-signature"},
	} {
		if strings.Contains(match[1], known.part) {
			return known.class
		}
	}
	return "other"
}
