package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
)

// A recordStore is a real datastore, reached through the kine judge beside this one: kine's client and K3s's seal are of
// another Go module.
type recordStore struct {
	command *exec.Cmd
	in      io.WriteCloser
	lines   *bufio.Scanner
	last    int
}

type storedValue struct {
	Key      string `json:"key"`
	Value    []byte `json:"value"`
	Revision int64  `json:"revision"`
}

type storeAnswer struct {
	Error  string        `json:"error"`
	Values []storedValue `json:"values"`
	Data   []byte        `json:"data"`
}

func openRecordStore(program, endpoint string) (*recordStore, error) {
	command := exec.Command(program, "client", "--endpoint="+endpoint)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<28)
	return &recordStore{command: command, in: in, lines: lines}, command.Start()
}

func (r *recordStore) close() {
	r.in.Close()
	r.command.Wait()
}

func (r *recordStore) ask(op string, fields map[string]any) (*storeAnswer, error) {
	r.last++
	fields["id"], fields["op"] = r.last, op
	if err := json.NewEncoder(r.in).Encode(fields); err != nil {
		return nil, err
	}
	if !r.lines.Scan() {
		return nil, errors.New("the datastore's client ended")
	}
	answer := &storeAnswer{}
	if err := json.Unmarshal(r.lines.Bytes(), answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return answer, nil
}

// save replaces the record of the password, or makes it and removes that of the old one. Source: K3s,
// pkg/cluster/storage.go, Save and RotateBootstrapToken.
func (r *recordStore) save(document []byte, password, old string) error {
	found, err := r.ask("list", map[string]any{"key": "/bootstrap"})
	if err != nil {
		return err
	}
	if len(found.Values) > 1 {
		return errors.New("found multiple bootstrap keys in storage")
	}
	sealed, err := r.ask("seal", map[string]any{"token": password, "value": document})
	if err != nil {
		return err
	}
	key, err := r.ask("key", map[string]any{"token": password})
	if err != nil {
		return err
	}
	for _, value := range found.Values {
		if value.Key == string(key.Data) {
			_, err := r.ask("update", map[string]any{"key": value.Key, "revision": value.Revision, "value": sealed.Data})
			return err
		}
	}
	if _, err := r.ask("create", map[string]any{"key": string(key.Data), "value": sealed.Data}); err != nil {
		return err
	}
	oldKey, err := r.ask("key", map[string]any{"token": old})
	if err != nil {
		return err
	}
	for _, value := range found.Values {
		if value.Key == string(oldKey.Data) {
			_, err := r.ask("delete", map[string]any{"key": value.Key, "revision": value.Revision})
			return err
		}
	}
	return nil
}
