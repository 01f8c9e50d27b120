// Command bench does the work of k3s-pki's benchmark with Go's standard library, which K3s itself calls, and reports
// how long it took as one JSON object on stdout. 1 means that the work failed, 2 wrong usage.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// errUsage marks a failure of the caller's arguments, which exits with 2.
var errUsage = errors.New("wrong usage, expected `bench rsa FLAGS`, `bench leaves FLAGS`, `bench check FLAGS` or `bench seal FLAGS`")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errUsage
	}
	var report any
	var err error
	switch arguments[0] {
	case "rsa":
		report, err = rsaKeys(arguments[1:])
	case "leaves":
		report, err = leaves(arguments[1:])
	case "check":
		report, err = checkFiles(arguments[1:])
	case "seal":
		report, err = sealRecords(arguments[1:])
	default:
		err = errUsage
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

// cpuTime is the user and system time of this process so far, all threads.
func cpuTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
