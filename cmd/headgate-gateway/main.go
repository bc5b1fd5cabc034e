// SPDX-License-Identifier: Apache-2.0

// Command headgate-gateway carries the traffic of one experiment, as a snapshot
// in a file says. It links no Kubernetes client, no PromQL and no SQL.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/headgate-dev/headgate/internal/app/gateway"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	os.Exit(gateway.Main(ctx, os.Args[1:], os.Stdout, os.Stderr, version))
}
