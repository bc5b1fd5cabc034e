// SPDX-License-Identifier: Apache-2.0

// Command prebuild builds the programs that the tests with real servers need,
// so that the time limit of a test holds no build: all of them, or those named
// as arguments. Run it in a folder of module test/.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/headgate-dev/headgate/test/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	names := os.Args[1:]
	if len(names) == 0 {
		names = servers.Programs()
	}
	for _, name := range names {
		if err := build(ctx, name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func build(ctx context.Context, name string) error {
	started := time.Now()
	file, err := servers.Binary(ctx, name)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	fmt.Printf("%-16s %4d MB %7.1f s  %s\n", name, info.Size()/1e6, time.Since(started).Seconds(), file)
	return nil
}
