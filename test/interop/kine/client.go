package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/k3s-io/kine/pkg/client"
	"github.com/k3s-io/kine/pkg/endpoint"
	"github.com/k3s-io/kine/pkg/tls"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// request is one line of stdin; every one but watch is answered by one line with the same id.
type request struct {
	ID       int    `json:"id"`
	Op       string `json:"op"`
	Key      string `json:"key"`
	Value    []byte `json:"value"`
	Revision int64  `json:"revision"`
	Token    string `json:"token"`
}

type value struct {
	Key      string `json:"key"`
	Value    []byte `json:"value"`
	Revision int64  `json:"revision"`
	Deleted  bool   `json:"deleted,omitempty"`
	Previous []byte `json:"previous,omitempty"`
}

type answer struct {
	ID     int     `json:"id"`
	Error  string  `json:"error,omitempty"`
	Values []value `json:"values,omitempty"`
	Data   []byte  `json:"data,omitempty"`
	// Watch says that the line is an event, not an answer.
	Watch bool `json:"watch,omitempty"`
}

// talk answers requests through kine's own client, as K3s's pkg/cluster uses it.
func talk(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	address := flags.String("endpoint", "", "unix://PATH, http://HOST:PORT or https://HOST:PORT")
	config := tls.Config{}
	flags.StringVar(&config.CAFile, "ca-file", "", "CA of the server")
	flags.StringVar(&config.CertFile, "cert-file", "", "client certificate")
	flags.StringVar(&config.KeyFile, "key-file", "", "its key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var c client.Client
	var raw *clientv3.Client
	if *address != "" {
		etcd := endpoint.ETCDConfig{Endpoints: []string{*address}, TLSConfig: config}
		opened, err := client.New(etcd)
		if err != nil {
			return err
		}
		defer opened.Close()
		c = opened
		tlsConfig, err := config.ClientConfig()
		if err != nil {
			return err
		}
		if raw, err = clientv3.New(clientv3.Config{Endpoints: etcd.Endpoints, TLS: tlsConfig, DialTimeout: 5 * time.Second}); err != nil {
			return err
		}
		defer raw.Close()
	}
	var out sync.Mutex
	say := func(a answer) {
		line, _ := json.Marshal(a)
		out.Lock()
		defer out.Unlock()
		fmt.Println(string(line))
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<28)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		if r.Op == "watch" {
			watch(ctx, raw, r, say)
			continue
		}
		a := perform(ctx, c, raw, r)
		a.ID = r.ID
		say(a)
	}
	return lines.Err()
}

// watch answers when the server has created the watch, and then says every event.
func watch(ctx context.Context, raw *clientv3.Client, r request, say func(answer)) {
	events := raw.Watch(ctx, r.Key, clientv3.WithPrefix(), clientv3.WithCreatedNotify(), clientv3.WithPrevKV())
	<-events
	say(answer{ID: r.ID})
	go func() {
		for response := range events {
			for _, event := range response.Events {
				v := value{Key: string(event.Kv.Key), Value: event.Kv.Value, Revision: event.Kv.ModRevision, Deleted: event.Type == clientv3.EventTypeDelete}
				if event.PrevKv != nil {
					v.Previous = event.PrevKv.Value
				}
				say(answer{ID: r.ID, Watch: true, Values: []value{v}})
			}
		}
	}()
}

func perform(ctx context.Context, c client.Client, raw *clientv3.Client, r request) answer {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	var a answer
	var err error
	switch r.Op {
	case "list":
		var found []client.Value
		if found, err = c.List(ctx, r.Key, 0); err == nil {
			for _, v := range found {
				a.Values = append(a.Values, value{Key: string(v.Key), Value: v.Data, Revision: v.Modified})
			}
		}
	case "get":
		var v client.Value
		if v, err = c.Get(ctx, r.Key); err == nil {
			a.Values = []value{{Key: string(v.Key), Value: v.Data, Revision: v.Modified}}
		}
	case "create":
		err = c.Create(ctx, r.Key, r.Value)
	case "update":
		err = c.Update(ctx, r.Key, r.Revision, r.Value)
	case "delete":
		err = c.Delete(ctx, r.Key, r.Revision)
	case "users-on":
		err = usersOn(ctx, raw)
	case "users-off":
		err = usersOff(ctx, raw)
	case "seal":
		a.Data, err = seal(r.Token, r.Value)
	case "unseal":
		a.Data, err = unseal(r.Token, r.Value)
	case "key":
		a.Data = []byte(storageKey(r.Token))
	case "age-keys":
		a.Data, err = ageKeys()
	case "age-open":
		a.Data, err = ageOpen(r.Token, r.Value)
	case "age-open-with":
		a.Data, err = ageOpenWith(r.Token, r.Value)
	case "age-seal":
		a.Data, err = ageSeal(r.Token, r.Value)
	default:
		err = fmt.Errorf("no such op: %s", r.Op)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}
