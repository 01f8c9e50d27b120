package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// storageKey is the key of the record that a passphrase seals. Source: K3s pkg/cluster/encrypt.go.
func storageKey(passphrase string) string {
	sum := sha256.Sum256([]byte(passphrase))
	return "/bootstrap/" + hex.EncodeToString(sum[:])[:12]
}

func aead(passphrase, salt string) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha1.New, passphrase, []byte(salt), 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal encrypts as K3s does. Source: K3s pkg/cluster/encrypt.go, pkg/token.
func seal(passphrase string, plaintext []byte) ([]byte, error) {
	random := make([]byte, 8+12)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	salt := hex.EncodeToString(random[:8])
	gcm, err := aead(passphrase, salt)
	if err != nil {
		return nil, err
	}
	nonce := random[8:]
	return []byte(salt + ":" + base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, plaintext, nil))), nil
}

// unseal decrypts as K3s does.
func unseal(passphrase string, record []byte) ([]byte, error) {
	salt, text, found := strings.Cut(string(record), ":")
	if !found {
		return nil, errors.New("invalid cipher text, not : delimited")
	}
	gcm, err := aead(passphrase, salt)
	if err != nil {
		return nil, err
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	if len(sealed) < gcm.NonceSize() {
		return nil, errors.New("too short")
	}
	return gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], nil)
}
