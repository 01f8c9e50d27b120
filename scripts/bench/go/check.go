package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// checkReport counts what was read.
type checkReport struct {
	Files        int `json:"files"`
	Certificates int `json:"certificates"`
}

// checkRow is what a line says of a certificate.
type checkRow struct {
	Path     string    `json:"path"`
	Position int       `json:"position"`
	Status   string    `json:"status"`
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	Serial   string    `json:"serial"`
	DNS      []string  `json:"dns"`
	NotAfter time.Time `json:"notAfter"`
}

// checkFiles parses every certificate of every file below a folder, one file at a time, and writes a line of JSON for
// each to a file; the report follows on stdout.
func checkFiles(arguments []string) (*checkReport, error) {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	folder := flags.String("folder", "", "folder to walk")
	out := flags.String("out", "", "file for the lines")
	if err := flags.Parse(arguments); err != nil || *folder == "" || *out == "" {
		return nil, errUsage
	}
	file, err := os.Create(*out)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	buffer := bufio.NewWriter(file)
	lines := json.NewEncoder(buffer)
	now := time.Now()
	report := &checkReport{}
	err = filepath.WalkDir(*folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".crt") {
			return err
		}
		report.Files++
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		position := 0
		for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return err
			}
			if err := lines.Encode(rowOf(path, position, certificate, now)); err != nil {
				return err
			}
			position++
			report.Certificates++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return report, buffer.Flush()
}

func rowOf(path string, position int, certificate *x509.Certificate, now time.Time) checkRow {
	status := "OK"
	switch {
	case now.Before(certificate.NotBefore):
		status = "NOT YET VALID"
	case now.After(certificate.NotAfter):
		status = "EXPIRED"
	case now.AddDate(0, 0, 120).After(certificate.NotAfter):
		status = "WARNING"
	}
	return checkRow{
		Path: path, Position: position, Status: status, Subject: certificate.Subject.String(),
		Issuer: certificate.Issuer.String(), Serial: certificate.SerialNumber.Text(16), DNS: certificate.DNSNames,
		NotAfter: certificate.NotAfter,
	}
}
