// SPDX-License-Identifier: Apache-2.0

// Command headgate decides how much live traffic a model version may have,
// moves it, and can prove why.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/headgate-dev/headgate/internal/cli"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], cli.StandardIO(), version)
	stop()
	os.Exit(code)
}
