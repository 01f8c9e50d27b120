package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	certutil "github.com/rancher/dynamiclistener/cert"
)

// A bootstrapFile is one entry of the bootstrap data. Source: K3s, pkg/bootstrap.
type bootstrapFile struct {
	Timestamp time.Time
	Content   []byte
}

type bootstrapData map[string]bootstrapFile

// bootstrapFields are the fields of the bootstrap data by the file that each holds, below the server's folder.
// Source: K3s, pkg/daemons/config/types.go, ControlRuntimeBootstrap.
var bootstrapFields = map[string]string{
	"ETCDServerCA": "tls/etcd/server-ca.crt", "ETCDServerCAKey": "tls/etcd/server-ca.key",
	"ETCDPeerCA": "tls/etcd/peer-ca.crt", "ETCDPeerCAKey": "tls/etcd/peer-ca.key",
	"ServerCA": "tls/server-ca.crt", "ServerCAKey": "tls/server-ca.key",
	"ClientCA": "tls/client-ca.crt", "ClientCAKey": "tls/client-ca.key",
	"ServiceKey":      "tls/service.key",
	"PasswdFile":      "cred/passwd",
	"RequestHeaderCA": "tls/request-header-ca.crt", "RequestHeaderCAKey": "tls/request-header-ca.key",
	"IPSECKey":         "cred/ipsec.psk",
	"EncryptionConfig": "cred/encryption-config.json", "EncryptionHash": "cred/encryption-state.json",
}

// keepsItsValue are the fields that a rotation of CAs leaves alone. Source: as above, the fields without `rotate:"true"`.
var keepsItsValue = map[string]bool{
	"PasswdFile": true, "IPSECKey": true, "EncryptionConfig": true, "EncryptionHash": true,
}

// A trouble is what the supervisor does to requests of a path instead of answering properly.
type trouble struct{ kind, path string }

// troubles: `cut-headers`, `cut-body` and `cut-answer` close the connection after the request's headers, after half of its
// body, in the middle of the answer; `cut-applied` when the work was done and before the answer; `hang` never answers;
// `endless` answers without end; `html` and `empty` answer 200 with what is not K3s's; `500` refuses without a Status;
// `unsaved` answers as if all were well, and nothing gets into the datastore.
var troubles = []string{
	"cut-headers", "cut-body", "cut-applied", "cut-answer", "hang", "endless", "html", "empty", "500", "unsaved",
}

// A supervisorServer is a K3s server's supervisor on the files of a folder. Its datastore is the file `record` beside them,
// and `store` where there is one.
type supervisorServer struct {
	folder, record string
	store          *recordStore
	embeddedEtcd   bool
	trouble        trouble
	files          sync.Mutex
	speech         sync.Mutex
	out            *json.Encoder
}

// supervisor serves SERVER_DIR as a K3s server does until its standard input ends. It prints its URL, and then each
// request and each line of the log. Source: K3s, pkg/server/handlers and pkg/server/auth.
func supervisor(arguments []string, in io.Reader, out *json.Encoder) error {
	flags := flag.NewFlagSet("supervisor", flag.ContinueOnError)
	record := flags.String("record", "", "file that stands for the datastore: the bootstrap data in JSON")
	etcd := flags.Bool("etcd", false, "answer server-bootstrap, as with embedded etcd")
	program := flags.String("store", "", "the kine judge, which talks to a datastore")
	endpoint := flags.String("store-endpoint", "", "the datastore, as kine's client takes it")
	what := flags.String("trouble", "", "KIND:PATH, one of "+strings.Join(troubles, " "))
	if err := flags.Parse(arguments); err != nil || flags.NArg() != 1 || *record == "" {
		return fmt.Errorf("%w, supervisor needs --record FILE and a server folder", errUsage)
	}
	server := &supervisorServer{folder: flags.Arg(0), record: *record, embeddedEtcd: *etcd, out: out}
	server.trouble.kind, server.trouble.path, _ = strings.Cut(*what, ":")

	if *program != "" {
		store, err := openRecordStore(*program, *endpoint)
		if err != nil {
			return err
		}
		defer store.close()
		server.store = store
	}

	certificate, err := server.listenerCertificate()
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*certificate}})
	if err != nil {
		return err
	}
	server.say("listening", "https://"+listener.Addr().String())
	go func() {
		io.Copy(io.Discard, in)
		listener.Close()
	}()
	handlers := &http.Server{Handler: server, ErrorLog: log.New(io.Discard, "", 0)}
	if err := handlers.Serve(listener); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// listenerCertificate makes the supervisor's own certificate from the server CA on the disk, chain included.
func (s *supervisorServer) listenerCertificate() (*tls.Certificate, error) {
	content, err := s.read("ServerCA")
	if err != nil {
		return nil, err
	}
	bundle, err := certutil.ParseCertsPEM(content)
	if err != nil {
		return nil, err
	}
	keyPEM, err := s.read("ServerCAKey")
	if err != nil {
		return nil, err
	}
	caKey, err := certutil.ParsePrivateKeyPEM(keyPEM)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := certutil.NewSignedCert(certutil.Config{
		CommonName: "k3s", Organization: []string{"k3s"},
		Usages:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		AltNames: certutil.AltNames{DNSNames: []string{"localhost"}, IPs: []net.IP{net.ParseIP("127.0.0.1")}},
	}, key, bundle[0], caKey.(crypto.Signer))
	if err != nil {
		return nil, err
	}
	chain := [][]byte{leaf.Raw}
	for _, certificate := range bundle {
		chain = append(chain, certificate.Raw)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key}, nil
}

func (s *supervisorServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.say("request", r.Method+" "+r.URL.Path)
	if s.trouble.path == r.URL.Path && s.troubled(w, r) {
		return
	}
	s.serve(w, r)
}

func (s *supervisorServer) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/cacerts":
		content, err := s.read("ServerCA")
		if err != nil {
			s.refuse(w, http.StatusInternalServerError, err.Error())
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write(content)
	case "/ping":
		w.Write([]byte("pong"))
	case "/v1-k3s/server-bootstrap":
		s.authorized(w, r, func() {
			if !s.embeddedEtcd {
				s.refuse(w, http.StatusBadRequest, "etcd disabled")
				return
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(s.onDisk())
		})
	case "/v1-k3s/cert/cacerts":
		s.authorized(w, r, func() { s.replaceCAs(w, r) })
	case "/v1-k3s/token":
		s.authorized(w, r, func() { s.rotateToken(w, r) })
	default:
		s.authorized(w, r, func() { s.refuse(w, http.StatusNotFound, "the server could not find the requested resource") })
	}
}

// troubled does what the trouble says and answers whether the request is over.
func (s *supervisorServer) troubled(w http.ResponseWriter, r *http.Request) bool {
	switch s.trouble.kind {
	case "cut-headers":
		s.cut(w, "")
	case "cut-body":
		io.CopyN(io.Discard, r.Body, max(r.ContentLength/2, 1))
		s.cut(w, "")
	case "cut-applied":
		// Done for an answer that nobody will see.
		s.serve(&deafWriter{}, r)
		s.cut(w, "")
	case "cut-answer":
		s.cut(w, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4096\r\n\r\n-----BEGIN CERT")
	case "hang":
		<-r.Context().Done()
	case "endless":
		for block := bytes.Repeat([]byte("-"), 1<<16); ; {
			if _, err := w.Write(block); err != nil {
				return true
			}
		}
	case "html":
		w.Write([]byte("<html><body>502 Bad Gateway</body></html>"))
	case "empty":
	case "500":
		http.Error(w, "upstream connect error", http.StatusInternalServerError)
	default:
		return false
	}
	return true
}

// cut ends the connection after the bytes given, without TLS's close_notify.
func (s *supervisorServer) cut(w http.ResponseWriter, answer string) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	io.WriteString(connection, answer)
	connection.(*tls.Conn).NetConn().Close()
}

type deafWriter struct{ header http.Header }

func (d *deafWriter) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}
func (d *deafWriter) Write(content []byte) (int, error) { return len(content), nil }
func (d *deafWriter) WriteHeader(int)                   {}

// authorized lets the role k3s:server pass. Source: K3s, pkg/server/auth and pkg/authenticator/basicauth.
func (s *supervisorServer) authorized(w http.ResponseWriter, r *http.Request, next func()) {
	name, password, given := r.BasicAuth()
	if !given {
		s.refuse(w, http.StatusForbidden, "forbidden")
		return
	}
	for _, row := range s.passwd() {
		if row[1] == name && row[0] == password {
			if row[3] != "k3s:server" {
				s.refuse(w, http.StatusForbidden, "forbidden")
				return
			}
			next()
			return
		}
	}
	s.refuse(w, http.StatusUnauthorized, "not authorized")
}

// replaceCAs follows K3s, pkg/server/handlers/cert.go, caCertReplace.
func (s *supervisorServer) replaceCAs(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		s.refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	// ParseForm takes the body of a form away, as it does in K3s.
	force, _ := strconv.ParseBool(r.FormValue("force"))
	given := bootstrapData{}
	if err := json.NewDecoder(r.Body).Decode(&given); err != nil {
		s.refuseWithID(w, "certificate", err)
		return
	}
	s.files.Lock()
	defer s.files.Unlock()
	current := s.onDisk()
	replaced := bootstrapData{}
	for field := range bootstrapFields {
		file, found := given[field]
		if keepsItsValue[field] || !found || len(file.Content) == 0 {
			if kept, present := current[field]; present {
				replaced[field] = kept
			}
			continue
		}
		if file.Timestamp.IsZero() {
			file.Timestamp = time.Now()
		}
		replaced[field] = file
	}
	reasons, err := s.whyRefused(given)
	if err != nil {
		s.refuseWithID(w, "certificate", err)
		return
	}
	if len(reasons) > 0 {
		err := fmt.Errorf("failed to validate new CA certificates and keys: %s", strings.Join(reasons, ", "))
		if !force {
			s.refuseWithID(w, "certificate", err)
			return
		}
		s.say("log", fmt.Sprintf("Save of CA certificates and keys forced, ignoring validation errors: %v", err))
	}
	if err := s.save(replaced, s.serverPassword()); err != nil {
		s.refuseWithID(w, "certificate", err)
		return
	}
	s.say("log", "certificate: Cluster Certificate Authority data has been updated, k3s must be restarted.")
	w.WriteHeader(http.StatusNoContent)
}

// rotateToken follows K3s, pkg/server/handlers/token.go, tokenRotate: the password file, the token file, then the record.
func (s *supervisorServer) rotateToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		s.refuse(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	var request struct {
		NewToken *string `json:"newToken,omitempty"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.NewToken == nil {
		s.refuse(w, http.StatusBadRequest, "bad request")
		return
	}
	token := *request.NewToken
	if token == "" {
		token = rand.Text()
	}
	s.files.Lock()
	defer s.files.Unlock()
	rows := s.passwd()
	old := s.serverPassword()
	if old == "" {
		s.refuseWithID(w, "token", errors.New("server token not found"))
		return
	}
	for _, row := range rows {
		if row[0] == old {
			row[0] = token
		}
	}
	var content bytes.Buffer
	csv.NewWriter(&content).WriteAll(rows)
	bundle, err := s.read("ServerCA")
	if err == nil {
		err = os.WriteFile(s.path("PasswdFile"), content.Bytes(), 0o600)
	}
	if err == nil {
		full := "K10" + hashBundle(bundle, time.Now()).Hash + "::server:" + token + "\n"
		err = os.WriteFile(filepath.Join(s.folder, "token"), []byte(full), 0o600)
	}
	if err == nil {
		// What is on the disk is saved: a rotation of CAs that waits for the restart is gone.
		err = s.save(s.onDisk(), old)
	}
	if err != nil {
		s.refuseWithID(w, "token", err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// serverPassword is what the bootstrap data is sealed with.
func (s *supervisorServer) serverPassword() string {
	found := ""
	for _, row := range s.passwd() {
		if row[1] == "server" {
			found = row[0]
		}
	}
	return found
}

// save puts the data into the datastore, sealed with the server password; the record that `old` opens goes.
func (s *supervisorServer) save(data bootstrapData, old string) error {
	if s.trouble.kind == "unsaved" {
		return nil
	}
	content, err := json.Marshal(data)
	if err != nil {
		return err
	}
	if s.store != nil {
		if err := s.store.save(content, s.serverPassword(), old); err != nil {
			return err
		}
	}
	return os.WriteFile(s.record, content, 0o600)
}

func (s *supervisorServer) onDisk() bootstrapData {
	data := bootstrapData{}
	for field := range bootstrapFields {
		content, err := s.read(field)
		if err != nil {
			continue
		}
		status, err := os.Stat(s.path(field))
		if err != nil {
			continue
		}
		data[field] = bootstrapFile{Timestamp: status.ModTime(), Content: content}
	}
	return data
}

func (s *supervisorServer) path(field string) string {
	return filepath.Join(s.folder, bootstrapFields[field])
}

func (s *supervisorServer) read(field string) ([]byte, error) { return os.ReadFile(s.path(field)) }

// passwd is the password file: password, name, name, role. Source: K3s, pkg/passwd.
func (s *supervisorServer) passwd() [][]string {
	content, err := s.read("PasswdFile")
	if err != nil {
		return nil
	}
	reader := csv.NewReader(bytes.NewReader(content))
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	if err != nil {
		return nil
	}
	known := [][]string{}
	for _, row := range rows {
		if len(row) >= 4 {
			known = append(known, row)
		}
	}
	return known
}

// refuseWithID hides the reason behind a number that stands in the log. Source: K3s, pkg/util/apierrors.go.
func (s *supervisorServer) refuseWithID(w http.ResponseWriter, component string, reason error) {
	number, _ := rand.Int(rand.Reader, big.NewInt(99999))
	s.say("log", fmt.Sprintf("%s error ID %05d: %v", component, number, reason))
	s.refuse(w, http.StatusInternalServerError, fmt.Sprintf("%s error ID %05d", component, number))
}

// refuse answers with a Kubernetes Status. Source: K3s, pkg/util/apierrors.go; k8s.io/apimachinery, pkg/api/errors.
func (s *supervisorServer) refuse(w http.ResponseWriter, code int, message string) {
	status := map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "code": code,
		"message": message,
	}
	if code == http.StatusInternalServerError {
		status["message"] = "Internal error occurred: " + message
		status["reason"] = "InternalError"
		status["details"] = map[string]any{"causes": []map[string]any{{"message": message}}}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(status)
}

// say prints one event.
func (s *supervisorServer) say(event, text string) {
	s.speech.Lock()
	defer s.speech.Unlock()
	s.out.Encode(map[string]string{"event": event, "text": text})
}

// whyRefused checks what was sent, in a folder beside the files in use, as K3s does.
func (s *supervisorServer) whyRefused(given bootstrapData) ([]string, error) {
	staged, err := os.MkdirTemp(s.folder, ".rotate-ca-tmp-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(staged)
	for field, file := range given {
		name, known := bootstrapFields[field]
		if !known || keepsItsValue[field] {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(staged, name)), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(staged, name), file.Content, 0o600); err != nil {
			return nil, err
		}
	}
	reasons := []string{}
	question := rotationQuestion{Current: s.folder, Proposed: staged, At: time.Now().Unix()}
	for _, refused := range question.answer().Refused {
		reasons = append(reasons, refused.Field+": "+refused.Text)
	}
	return reasons, nil
}
