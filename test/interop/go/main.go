// Command judge says what Go's crypto/x509, rancher/dynamiclistener and Kubernetes' key loading make of
// certificate and key files. K3s is built from the same packages, so its answers are K3s's. It prints JSON on
// stdout and exits with 0 whatever the verdict is; 1 means that no verdict was reached, 2 wrong usage.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/sirupsen/logrus"
)

// errUsage marks a failure of the caller's arguments, which exits with 2.
var errUsage = errors.New("wrong usage")

// A command turns arguments (without the command's own name) and standard input into JSON on out.
type command struct {
	name, arguments string
	run             func(arguments []string, in io.Reader, out *json.Encoder) error
}

var commands = []command{
	{"first-start", "SERVER_DIR", firstStart},
	{"chains", "ROOT_PEM TLS_DIR", chains},
	{"ca-hash", "[--at UNIX] FILE...", caHashes},
	{"verify", "< JSON lines", verifyLines},
	{"puzzles", "[--seed N] [--count N] [--at UNIX]", puzzles},
	{"keys", "FILE...", keyFiles},
	{"default-cas", "PRODUCT SERVER_DIR", defaultCAs},
	{"sign", "BUNDLE KEY_FILE COMMON_NAME ORGANIZATION", signLeaf},
	{"token-of", "BUNDLE CREDENTIALS", tokenOf},
	{"walks", "< JSON lines", walks},
	{"service-keys", "FILE...", serviceKeyFiles},
	{"tokens", "< JSON lines", tokenLines},
	{"renewals", "< JSON lines", renewals},
	{"rotate-ca", "< JSON lines", rotateCA},
	{"supervisor", "--record FILE [--etcd] [--trouble KIND:PATH] SERVER_DIR", supervisor},
	{"issued", "[--usage NAME] [--every N] ROOT_PEM < JSON lines", issuedLeaves},
	{"rsa-keys", "[--bits N] [--every N] < PEM", rsaKeys},
}

func main() {
	// dynamiclistener logs each certificate that it signs.
	logrus.SetOutput(io.Discard)
	if err := dispatch(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "judge: %v\n", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func dispatch(arguments []string) error {
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	if len(arguments) > 0 {
		named := func(c command) bool { return c.name == arguments[0] }
		if i := slices.IndexFunc(commands, named); i >= 0 {
			return commands[i].run(arguments[1:], os.Stdin, out)
		}
	}
	usage := "one of:"
	for _, c := range commands {
		usage += fmt.Sprintf("\n  judge %s %s", c.name, c.arguments)
	}
	return fmt.Errorf("%w, expected %s", errUsage, usage)
}
