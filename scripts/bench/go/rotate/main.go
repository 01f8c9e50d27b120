// Command rotate replaces the CAs in the bootstrap data of a stopped K3s server on SQLite, step by step as k3s-pki does it
// with `certificate rotate-ca --offline`: read and open the record, check the new set by K3s's rules, keep a backup, append
// kine's row under the condition that nobody was faster, read it back. One JSON object on stdout; 1 means that it failed.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"k3s-pki/bench/bootstrap"
)

// file is a member of the document. Source: K3s, pkg/bootstrap.
type file struct {
	Timestamp time.Time
	Content   []byte
}

// The fields that a rotation replaces. Source: K3s, pkg/daemons/config/types.go, pkg/server/handlers/cert.go.
var fields = []struct{ name, path string }{
	{"ETCDServerCA", "etcd/server-ca.crt"}, {"ETCDServerCAKey", "etcd/server-ca.key"},
	{"ETCDPeerCA", "etcd/peer-ca.crt"}, {"ETCDPeerCAKey", "etcd/peer-ca.key"},
	{"ServerCA", "server-ca.crt"}, {"ServerCAKey", "server-ca.key"},
	{"ClientCA", "client-ca.crt"}, {"ClientCAKey", "client-ca.key"},
	{"ServiceKey", "service.key"},
	{"RequestHeaderCA", "request-header-ca.crt"}, {"RequestHeaderCAKey", "request-header-ca.key"},
}

// Source: kine, pkg/drivers/generic and pkg/logstructured.
const (
	newest = `SELECT id, value FROM kine WHERE id = (SELECT MAX(id) FROM kine WHERE name = ?) AND deleted = 0`
	update = `INSERT INTO kine(name, created, deleted, create_revision, prev_revision, lease, value, old_value)
		SELECT name, 0, 0, COALESCE(NULLIF(create_revision, 0), id), id, 0, ?, value FROM kine
		WHERE id = ? AND deleted = 0 AND id = (SELECT MAX(id) FROM kine WHERE name = ?)`
)

func main() {
	dataDir := flag.String("data-dir", "", "data dir of the stopped server")
	path := flag.String("path", "", "folder with the new set's tls folder")
	flag.Parse()
	count, err := rotate(*dataDir, *path)
	if err != nil {
		fmt.Fprintf(os.Stderr, "rotate: %v\n", err)
		os.Exit(1)
	}
	fmt.Printf("{\"fields\":%d}\n", count)
}

func rotate(dataDir, path string) (int, error) {
	token, err := os.ReadFile(filepath.Join(dataDir, "server/token"))
	if err != nil {
		return 0, err
	}
	written := strings.TrimSpace(string(token))
	passphrase := written[strings.LastIndex(written, ":")+1:]
	sum := sha256.Sum256([]byte(passphrase))
	key := "/bootstrap/" + hex.EncodeToString(sum[:])[:12]

	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dataDir, "server/db/state.db")+"?_busy_timeout=5000&_sync=FULL&_journal=WAL")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)

	id, record, document, err := read(db, key, passphrase)
	if err != nil {
		return 0, err
	}
	changed, err := stage(path, document)
	if err != nil {
		return 0, err
	}
	if err := check(document, changed); err != nil {
		return 0, err
	}
	now := time.Now().UTC()
	for name, content := range changed {
		document[name] = &file{now, content}
	}
	plain, err := json.Marshal(document)
	if err != nil {
		return 0, err
	}
	sealed, err := bootstrap.Seal(passphrase, plain)
	if err != nil {
		return 0, err
	}
	if err := backup(dataDir, now, key, record); err != nil {
		return 0, err
	}
	result, err := db.ExecContext(context.Background(), update, sealed, id, key)
	if err != nil {
		return 0, err
	}
	if rows, err := result.RowsAffected(); err != nil || rows != 1 {
		return 0, errors.New("the record was changed meanwhile")
	}
	_, _, again, err := read(db, key, passphrase)
	if err != nil {
		return 0, err
	}
	for name, content := range changed {
		if !bytes.Equal(again[name].Content, content) {
			return 0, fmt.Errorf("%s reads back as something else", name)
		}
	}
	return len(changed), nil
}

func read(db *sql.DB, key, passphrase string) (int64, []byte, map[string]*file, error) {
	var id int64
	var record []byte
	if err := db.QueryRow(newest, key).Scan(&id, &record); err != nil {
		return 0, nil, nil, err
	}
	plain, err := bootstrap.Unseal(passphrase, record)
	if err != nil {
		return 0, nil, nil, err
	}
	document := map[string]*file{}
	return id, record, document, json.Unmarshal(plain, &document)
}

// stage reads the new files; one that is missing or empty stays as it is.
func stage(path string, document map[string]*file) (map[string][]byte, error) {
	changed := map[string][]byte{}
	for _, field := range fields {
		content, err := os.ReadFile(filepath.Join(path, "tls", field.path))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if old := document[field.name]; len(content) > 0 && (old == nil || !bytes.Equal(old.Content, content)) {
			changed[field.name] = content
		}
	}
	return changed, nil
}

func backup(dataDir string, now time.Time, key string, record []byte) error {
	folder := filepath.Join(dataDir, "server/bootstrap-backups")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("%d.json", now.Unix())), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(json.NewEncoder(out).Encode(map[string]any{"key": key, "before": record}), out.Sync(), out.Close()); err != nil {
		return err
	}
	for _, each := range []string{folder, filepath.Dir(folder)} {
		opened, err := os.Open(each)
		if err != nil {
			return err
		}
		if err := errors.Join(opened.Sync(), opened.Close()); err != nil {
			return err
		}
	}
	return nil
}
