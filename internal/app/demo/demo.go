// SPDX-License-Identifier: Apache-2.0

// Package demo wires Headgate's demonstration: two real models, trained on
// real data, served over HTTP on this machine; load from some thousand users
// whose labels come back seconds later; and a whole local run that decides
// between them. It is the only room that knows the examples.
package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/headgate-dev/headgate/examples/digits/serve"
	"github.com/headgate-dev/headgate/internal/app/desk"
	"github.com/headgate-dev/headgate/internal/app/local"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
	"github.com/headgate-dev/headgate/internal/view"
)

//go:embed experiment.yaml
var experimentYAML []byte

// Experiment is the demo's experiment file, as it is shipped.
func Experiment() []byte { return experimentYAML }

// Options configures a demo.
type Options struct {
	// Candidate names what plays v2; see Candidates.
	Candidate string
	// Seed fixes the users, the rows they send and the faults.
	Seed uint64
	// Listen is the gateway's address, API that of outcomes, page and metrics;
	// free ports on loopback by default.
	Listen string
	API    string
	// Data is a directory for the run's files; empty for a temporary one that
	// is removed at the end.
	Data string
	Log  *slog.Logger
}

// Demo is a running demo.
type Demo struct {
	*local.Run
	Candidate Candidate
	Plan      *experiment.Plan
	// Accuracy is the share of the test rows that each version's model gets
	// right, by version.
	Accuracy [2]float64

	host   *local.Host
	models [2]*serve.Server
	load   *load
	data   string
	remove bool
}

// Start trains the models, serves them, starts the run and its load. What it
// started is gone when Close returns.
func Start(ctx context.Context, o Options) (*Demo, error) {
	candidate, err := CandidateOf(o.Candidate)
	if err != nil {
		return nil, err
	}
	d := &Demo{Candidate: candidate}
	if err := d.start(ctx, o); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Demo) start(ctx context.Context, o Options) error {
	world, err := Train(d.Candidate)
	if err != nil {
		return err
	}
	d.Accuracy = world.Accuracy()
	for v := range d.models {
		faults := serve.Faults{}
		if v == 1 {
			faults = d.Candidate.Faults
			faults.Seed = o.Seed
		}
		if d.models[v], err = serve.Start(ctx, desk.Loopback, world.Models[v], faults); err != nil {
			return err
		}
	}
	if d.Plan, err = planFor(d.models[0].URL(), d.models[1].URL()); err != nil {
		return err
	}
	if d.data = o.Data; d.data == "" {
		if d.data, err = os.MkdirTemp("", "headgate-demo-"); err != nil {
			return fmt.Errorf("make a temporary directory: %w", err)
		}
		d.remove = true
	}
	d.host, err = local.Start(ctx, local.Options{
		Experiments: []local.Experiment{{Plan: d.Plan, Listen: o.Listen}},
		Data:        d.data, API: o.API, Log: o.Log,
	})
	if err != nil {
		return err
	}
	d.Run = d.host.Runs()[0]
	d.load = startLoad(ctx, world, d.TrafficURL(), d.APIURL(), o.Seed)
	return nil
}

// planFor is the demo's plan with the backends that were started.
func planFor(baseline, candidate string) (*experiment.Plan, error) {
	yaml := strings.NewReplacer("http://127.0.0.1:1", baseline, "http://127.0.0.1:2", candidate).Replace(string(experimentYAML))
	return translate.Plan([]byte(yaml))
}

// Traffic says what the load has sent and got so far.
func (d *Demo) Traffic() Traffic { return d.load.traffic() }

// APIURL is where outcomes, page and metrics are.
func (d *Demo) APIURL() string { return d.host.APIURL() }

// Wait blocks until the experiment has ended or the context does, and gives
// the last view.
func (d *Demo) Wait(ctx context.Context) (view.Experiment, error) {
	select {
	case <-d.Done():
		return d.View(), d.Err()
	case <-ctx.Done():
		return d.View(), ctx.Err()
	}
}

// Close stops the load, the run and the models, in this order, and removes the
// temporary directory.
func (d *Demo) Close() error {
	var errs []error
	if d.load != nil {
		d.load.stop()
	}
	if d.host != nil {
		errs = append(errs, d.host.Close())
	}
	for _, m := range d.models {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	if d.remove {
		errs = append(errs, os.RemoveAll(d.data))
	}
	return errors.Join(errs...)
}

// modelName is the name that the example models are served under.
const modelName = "digits"
