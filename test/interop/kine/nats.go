package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// nats runs a NATS server with JetStream on a free port of the loopback address until the end of stdin, and says the
// address when it is ready.
func nats(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("nats", flag.ContinueOnError)
	store := flags.String("store", "", "folder of JetStream")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: *store, NoSigs: true})
	if err != nil {
		return err
	}
	go s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return errors.New("not ready after 30 s")
	}
	fmt.Println(s.ClientURL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}
