package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"k8s.io/client-go/util/keyutil"
)

// A token is what K3s sees in a join token; texts are base64, because a token may be any octets.
type token struct {
	Hash     string `json:"hash"`
	User     string `json:"user"`
	Password string `json:"password"`
	ID       string `json:"id,omitempty"`
	Secret   string `json:"secret,omitempty"`
	Error    string `json:"error,omitempty"`
	// Normal is the passphrase of the bootstrap data; absent when K3s has none of this token.
	Normal *string `json:"normal,omitempty"`
}

var bootstrapToken = regexp.MustCompile(`\A([a-z0-9]{6})\.([a-z0-9]{16})\z`)

// tokenLines answers each line, a token in base64, with what K3s reads in it.
func tokenLines(_ []string, in io.Reader, out *json.Encoder) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var encoded string
		if err := json.Unmarshal(lines.Bytes(), &encoded); err != nil {
			return err
		}
		text, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return err
		}
		if err := out.Encode(readToken(string(text))); err != nil {
			return err
		}
	}
	return lines.Err()
}

// readToken follows the rules of K3s, pkg/clientaccess/token.go (parseToken) and pkg/util/token.go (NormalizeToken):
// what does not begin with K10 is made to; what stands before the first double colon is the hash; the rest is a
// bootstrap token, or a user and a password that the first colon parts.
func readToken(text string) token {
	read, err := func() (token, error) {
		if text == "" {
			return token{}, errors.New("token must not be empty")
		}
		body, full := strings.CutPrefix(text, "K10")
		if !full {
			body = "::" + text
			if !bootstrapToken.MatchString(text) {
				body = ":::" + text
			}
		}
		hash, credentials, parted := strings.Cut(body, "::")
		if !parted {
			hash, credentials = "", body
		} else if length := len(hash); length != 0 && length != 64 {
			return token{}, errors.New("invalid token CA hash length")
		}
		if parts := bootstrapToken.FindStringSubmatch(credentials); parts != nil {
			return token{Hash: hash, ID: parts[1], Secret: parts[2]}, nil
		}
		user, password, parted := strings.Cut(credentials, ":")
		if !parted || password == "" {
			return token{}, errors.New("invalid token format")
		}
		return token{Hash: hash, User: user, Password: password}, nil
	}()
	if err != nil {
		return token{Error: err.Error()}
	}
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	read.Hash, read.User, read.Password = encode(read.Hash), encode(read.User), encode(read.Password)
	if read.ID == "" {
		normal := read.Password
		read.Normal = &normal
	}
	return read
}

// serviceKeyFiles prints, for every file, the public keys that the API server accepts tokens of, in its order, as
// Kubernetes' own loader reads them.
func serviceKeyFiles(arguments []string, _ io.Reader, out *json.Encoder) error {
	if len(arguments) == 0 {
		return fmt.Errorf("%w, service-keys needs a file", errUsage)
	}
	type fileKeys struct {
		File string     `json:"file"`
		Keys []keyFacts `json:"keys"`
		failure
	}
	files := []fileKeys{}
	for _, name := range arguments {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		entry := fileKeys{File: name, Keys: []keyFacts{}}
		public, err := keyutil.ParsePublicKeysPEM(content)
		if err != nil {
			entry.failure = fail("key-unreadable", err)
		}
		for _, key := range public {
			facts, err := factsOf(key)
			if err != nil {
				return err
			}
			entry.Keys = append(entry.Keys, facts)
		}
		files = append(files, entry)
	}
	return out.Encode(files)
}
