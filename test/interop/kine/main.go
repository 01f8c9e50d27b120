// Command judge is kine itself and K3s's way to use it: it serves kine on a datastore, talks to kine or etcd through
// kine's own client, runs a NATS server for it, and seals and unseals bootstrap data with the packages that K3s does it with.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	subcommands := map[string]func(context.Context, []string) error{
		"serve":  serve,
		"client": talk,
		"nats":   nats,
	}
	if len(os.Args) < 2 || subcommands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: judge serve|client|nats [flags]")
		os.Exit(2)
	}
	if err := subcommands[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
