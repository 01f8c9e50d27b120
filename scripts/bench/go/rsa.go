package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"time"
)

// rsaReport has seconds: of each key, and of processor time for all of them. Keys are PKCS#1 PEM.
type rsaReport struct {
	Each []float64 `json:"each"`
	CPU  float64   `json:"cpu"`
	Keys []string  `json:"keys"`
}

// rsaKeys makes keys on one goroutine. The first one is neither timed nor reported, as in the other programs.
func rsaKeys(arguments []string) (*rsaReport, error) {
	flags := flag.NewFlagSet("rsa", flag.ContinueOnError)
	bits := flags.Int("bits", 2048, "size of the modulus")
	count := flags.Int("count", 1, "number of keys")
	if err := flags.Parse(arguments); err != nil {
		return nil, errUsage
	}
	if _, err := rsa.GenerateKey(rand.Reader, *bits); err != nil {
		return nil, err
	}
	report := &rsaReport{}
	made := make([]*rsa.PrivateKey, *count)
	before, err := cpuTime()
	if err != nil {
		return nil, err
	}
	for i := range made {
		started := time.Now()
		key, err := rsa.GenerateKey(rand.Reader, *bits)
		if err != nil {
			return nil, err
		}
		report.Each = append(report.Each, time.Since(started).Seconds())
		made[i] = key
	}
	after, err := cpuTime()
	if err != nil {
		return nil, err
	}
	report.CPU = (after - before).Seconds()
	for _, key := range made {
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		report.Keys = append(report.Keys, string(pem.EncodeToMemory(block)))
	}
	return report, nil
}
