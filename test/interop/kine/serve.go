package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/k3s-io/kine/pkg/endpoint"
	"github.com/k3s-io/kine/pkg/tls"
	"github.com/sirupsen/logrus"
)

// serve runs kine with the settings of K3s until the signal or the end of stdin, and says `ready` when it listens. The
// endpoint comes from the environment, because it may hold a password.
func serve(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	listener := flags.String("listener", "", "unix://PATH or tcp://HOST:PORT")
	backend := tls.Config{}
	flags.StringVar(&backend.CAFile, "ca-file", "", "CA of the datastore")
	flags.StringVar(&backend.CertFile, "cert-file", "", "client certificate for the datastore")
	flags.StringVar(&backend.KeyFile, "key-file", "", "its key")
	if err := flags.Parse(args); err != nil {
		return err
	}
	logrus.SetOutput(os.Stderr)
	if os.Getenv("KINE_TRACE") != "" {
		logrus.SetLevel(logrus.TraceLevel)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group := &sync.WaitGroup{}
	// The defaults of kine's own program.
	_, err := endpoint.Listen(ctx, endpoint.Config{
		WaitGroup:           group,
		Listener:            *listener,
		Endpoint:            os.Getenv("KINE_ENDPOINT"),
		BackendTLSConfig:    backend,
		NotifyInterval:      5 * time.Second,
		EmulatedETCDVersion: "3.6.11",
		CompactTimeout:      5 * time.Second,
		CompactMinRetain:    1000,
		CompactBatchSize:    1000,
		PollBatchSize:       500,
		PollInterval:        time.Second,
	})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	go func() {
		// The test holds the other end: when it dies, so does kine.
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	<-ctx.Done()
	group.Wait()
	return nil
}
