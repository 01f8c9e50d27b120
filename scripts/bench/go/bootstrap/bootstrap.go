// Package bootstrap seals and opens K3s's bootstrap data. Source: K3s, pkg/cluster/encrypt.go.
package bootstrap

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
)

// Seal encrypts bootstrap data as K3s does.
func Seal(passphrase string, document []byte) ([]byte, error) {
	random := make([]byte, 8+12)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	salt := hex.AppendEncode(nil, random[:8])
	gcm, err := aead(passphrase, salt)
	if err != nil {
		return nil, err
	}
	nonce := random[8:]
	return base64.StdEncoding.AppendEncode(append(salt, ':'), gcm.Seal(nonce, nonce, document, nil)), nil
}

// Unseal decrypts bootstrap data as K3s does.
func Unseal(passphrase string, record []byte) ([]byte, error) {
	salt, text, found := bytes.Cut(record, []byte(":"))
	if !found {
		return nil, errors.New("no colon after the salt")
	}
	gcm, err := aead(passphrase, salt)
	if err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return nil, err
	}
	if len(sealed) < gcm.NonceSize() {
		return nil, errors.New("too short")
	}
	return gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], nil)
}

func aead(passphrase string, salt []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha1.New, passphrase, salt, 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
