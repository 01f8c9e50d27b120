package main

import (
	"bytes"
	"io"

	"filippo.io/age"
)

// ageKeys makes an identity and its recipient, one a line.
func ageKeys() ([]byte, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return []byte(identity.String() + "\n" + identity.Recipient().String() + "\n"), nil
}

// ageOpen decrypts with an identity.
func ageOpen(identity string, file []byte) ([]byte, error) {
	parsed, err := age.ParseX25519Identity(identity)
	if err != nil {
		return nil, err
	}
	return opened(file, parsed)
}

// ageOpenWith decrypts with a passphrase.
func ageOpenWith(passphrase string, file []byte) ([]byte, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	return opened(file, identity)
}

func opened(file []byte, identity age.Identity) ([]byte, error) {
	reader, err := age.Decrypt(bytes.NewReader(file), identity)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

// ageSeal encrypts for a recipient.
func ageSeal(recipient string, document []byte) ([]byte, error) {
	parsed, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	writer, err := age.Encrypt(&file, parsed)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(document); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}
