package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"sync"
)

// An rsaVerdict is the last line of output.
type rsaVerdict struct {
	Judged  int      `json:"judged"`
	Refused int      `json:"refused"`
	Reasons []string `json:"reasons"`
	// Primes is how many different ones there were: two a key.
	Primes int `json:"primes"`
}

// rsaKeys judges every RSA PRIVATE KEY of the PEM on standard input: what Go's Validate says, FIPS 186-5's conditions on
// primes and exponents, whether the primes are prime, and whether a signature verifies. With --every N each N-th block is
// repeated as a JSON string on the output before the verdict.
func rsaKeys(arguments []string, in io.Reader, out *json.Encoder) error {
	flags := flag.NewFlagSet("rsa-keys", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	bits := flags.Int("bits", 2048, "")
	every := flags.Int("every", 0, "")
	if err := flags.Parse(arguments); err != nil || flags.NArg() != 0 {
		return fmt.Errorf("%w, rsa-keys takes --bits N and --every N", errUsage)
	}
	blocks := make(chan []byte, 64)
	verdict := rsaVerdict{Reasons: []string{}}
	primes := map[string]bool{}
	var lock sync.Mutex
	var workers sync.WaitGroup
	for range runtime.NumCPU() {
		workers.Go(func() {
			for text := range blocks {
				found, err := rsaKey(text, *bits)
				lock.Lock()
				verdict.Judged++
				if err != nil {
					verdict.Refused++
					if len(verdict.Reasons) < 10 {
						verdict.Reasons = append(verdict.Reasons, err.Error())
					}
				}
				for _, prime := range found {
					primes[string(prime.Bytes())] = true
				}
				lock.Unlock()
			}
		})
	}
	err := eachBlock(in, func(number int, text []byte) error {
		blocks <- text
		if *every > 0 && number%*every == 0 {
			return out.Encode(string(text))
		}
		return nil
	})
	close(blocks)
	workers.Wait()
	if err != nil {
		return err
	}
	verdict.Primes = len(primes)
	return out.Encode(verdict)
}

// eachBlock cuts a stream of PEM into blocks, counted from 1, as they arrive.
func eachBlock(in io.Reader, take func(number int, text []byte) error) error {
	lines := bufio.NewScanner(in)
	var block []byte
	number := 0
	for lines.Scan() {
		block = append(append(block, lines.Bytes()...), '\n')
		if !bytes.HasPrefix(lines.Bytes(), []byte("-----END ")) {
			continue
		}
		number++
		if err := take(number, block); err != nil {
			return err
		}
		block = nil
	}
	if len(block) != 0 {
		return errors.New("the last block has no end")
	}
	return lines.Err()
}

// rsaKey answers the primes of a key, and what is wrong with it.
func rsaKey(text []byte, bits int) ([]*big.Int, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 || block.Type != "RSA PRIVATE KEY" {
		return nil, errors.New("not one RSA PRIVATE KEY block")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := key.Validate(); err != nil {
		return key.Primes, err
	}
	if key.N.BitLen() != bits || key.E != 65537 || len(key.Primes) != 2 {
		return key.Primes, fmt.Errorf("%d bits, exponent %d, %d primes", key.N.BitLen(), key.E, len(key.Primes))
	}
	p, q := key.Primes[0], key.Primes[1]
	// FIPS 186-5, A.1.1 and A.1.3: each prime squared is at least 2^(bits-1).
	least := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	for _, prime := range key.Primes {
		if prime.BitLen() != bits/2 || new(big.Int).Mul(prime, prime).Cmp(least) < 0 {
			return key.Primes, errors.New("a prime out of range")
		}
		// Four random bases and a Baillie-PSW test.
		if !prime.ProbablyPrime(4) {
			return key.Primes, errors.New("a factor that is not prime")
		}
	}
	if distance := new(big.Int).Sub(p, q); distance.BitLen() <= bits/2-100 {
		return key.Primes, errors.New("primes too close together")
	}
	if key.D.BitLen() <= bits/2 {
		return key.Primes, errors.New("a private exponent too small")
	}
	digest := sha256.Sum256(text)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return key.Primes, err
	}
	return key.Primes, rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature)
}
