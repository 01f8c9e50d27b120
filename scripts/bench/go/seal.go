package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"time"

	"k3s-pki/bench/bootstrap"
)

// sealReport has seconds: of each record, and of processor time for all of them.
type sealReport struct {
	Each []float64 `json:"each"`
	CPU  float64   `json:"cpu"`
}

// sealRecords seals a file and opens it again, over and over; the last record goes to a file. The first ones are not
// counted.
func sealRecords(arguments []string) (*sealReport, error) {
	flags := flag.NewFlagSet("seal", flag.ContinueOnError)
	documentFile := flags.String("document", "", "file to seal")
	recordFile := flags.String("record", "", "file for the last record")
	passphrase := flags.String("passphrase", "", "what it is sealed with")
	count := flags.Int("count", 1, "number of records")
	warmUp := flags.Int("warm-up", 0, "number of records before them")
	if err := flags.Parse(arguments); err != nil || *documentFile == "" || *recordFile == "" {
		return nil, errUsage
	}
	document, err := os.ReadFile(*documentFile)
	if err != nil {
		return nil, err
	}
	report := &sealReport{}
	var record, opened []byte
	var before time.Duration
	for round := -*warmUp; round < *count; round++ {
		if round == 0 {
			if before, err = cpuTime(); err != nil {
				return nil, err
			}
		}
		started := time.Now()
		if record, err = bootstrap.Seal(*passphrase, document); err != nil {
			return nil, err
		}
		if opened, err = bootstrap.Unseal(*passphrase, record); err != nil {
			return nil, err
		}
		if round >= 0 {
			report.Each = append(report.Each, time.Since(started).Seconds())
		}
	}
	after, err := cpuTime()
	if err != nil {
		return nil, err
	}
	report.CPU = (after - before).Seconds()
	if !bytes.Equal(document, opened) {
		return nil, errors.New("the opened record is something else")
	}
	return report, os.WriteFile(*recordFile, record, 0o600)
}
