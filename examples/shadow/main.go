// SPDX-License-Identifier: Apache-2.0

// Command shadow serves two models that route tickets to the teams of a help
// desk: v1, which is in production, and v2, which reads typing errors better and
// was meant to replace it. It wants to show what a shadow is for: over all
// tickets v2 looks fine, for premium customers it does harm.
//
//	go run ./examples/shadow                        serve both
//	go run ./examples/shadow -requests 2000         print requests, one a line
//
// Both models are trained at start, in a few milliseconds, on the same tickets.
// Everything has fixed seeds, so that the same request gets the same answer in
// every run. README.md shows it under Headgate, with experiment.yaml.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The seeds of what the models learn from, and of what they are asked.
const (
	learned, asked = 1, 2
	// lessons is how many tickets the models learn from.
	lessons = 240
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "shadow:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("shadow", flag.ContinueOnError)
	v1 := flags.String("v1", "127.0.0.1:9101", "where v1 listens, on loopback")
	v2 := flags.String("v2", "127.0.0.1:9102", "where v2 listens, on loopback")
	takes := flags.Duration("takes", 2*time.Millisecond, "how long an answer takes: these models would be done sooner than real ones")
	requests := flags.Int("requests", 0, "print as many requests, and serve nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *requests > 0 {
		return printRequests(out, *requests)
	}
	rows := draw(learned, lessons)
	return serve(ctx, out,
		&server{address: *v1, model: newV1(rows), takes: *takes},
		&server{address: *v2, model: newV2(rows), takes: *takes},
	)
}

// printRequests prints bodies of requests, each with one ticket.
func printRequests(out io.Writer, n int) error {
	w := bufio.NewWriter(out)
	enc := json.NewEncoder(w)
	for _, t := range draw(asked, n) {
		if err := enc.Encode(map[string]any{"instances": []ticket{t}}); err != nil {
			return err
		}
	}
	return w.Flush()
}

// serve serves until the context ends, or a server does.
func serve(ctx context.Context, out io.Writer, servers ...*server) error {
	ended := make(chan error, len(servers))
	for _, s := range servers {
		ln, err := listen(s.address)
		if err != nil {
			return err
		}
		h := &http.Server{Handler: s.handler(), ReadTimeout: within, WriteTimeout: within, IdleTimeout: time.Minute}
		defer func() { _ = h.Close() }() // Nobody is left to be told.
		go func() { ended <- h.Serve(ln) }()
		_, _ = fmt.Fprintf(out, "%s http://%s/v1/models/tickets:predict\n", s.model.name, ln.Addr())
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// listen listens on the loopback interface only.
func listen(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%s is not an address of the loopback interface", address)
	}
	return net.Listen("tcp", address)
}
