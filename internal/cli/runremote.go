// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	laptop "github.com/headgate-dev/headgate/internal/app/remote"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// carried are the flags of experiments whose traffic a cluster carries.
type carried struct {
	cluster       inCluster
	prometheus    string
	scrape, delay time.Duration
}

func (k *carried) flag(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&k.cluster.asked, "cluster", false, "the cluster of the current context carries the traffic, without any controller; so do the flags that follow")
	k.cluster.place(c)
	k.cluster.set = f.Changed
	f.StringVar(&k.prometheus, "prometheus", "", "with a cluster: the URL of the Prometheus that answers for experiments that name none")
	f.DurationVar(&k.scrape, "scrape-interval", defaultScrape, "how often that Prometheus asks")
	f.DurationVar(&k.delay, "metrics-delay", experiment.DefaultDelay, "how long after a scrape its samples can be asked for at the latest")
}

// localOnly are flags that mean Headgate's own gateway.
var localOnly = [...]string{"listen", "database", "outcomes-token-file"}

// options reads the files, and finds the cluster.
func (k *carried) options(ctx context.Context, s IO, files []string, o laptop.Options) (laptop.Options, error) {
	for _, name := range localOnly {
		if k.cluster.set(name) {
			return o, usageError{fmt.Errorf("--%s: a cluster carries the traffic: there is no gateway of ours", name)}
		}
	}
	at, err := k.cluster.find()
	if err != nil {
		return o, err
	}
	o.Config = at.config
	o.Place = laptop.Place{Context: at.context, Server: at.config.Host}
	if k.cluster.kubeconfig != "" {
		if o.Place.Kubeconfig, err = filepath.Abs(k.cluster.kubeconfig); err != nil {
			return o, usageError{fmt.Errorf("--kubeconfig: %w", err)}
		}
	}
	if k.prometheus != "" {
		o.Prometheus = &experiment.PrometheusProvider{URL: k.prometheus, Scrape: k.scrape, Delay: k.delay}
	}
	read := make([]laptop.File, len(files))
	for i, name := range files {
		read[i].Name = name
		if read[i].Text, err = readFile(name); err != nil {
			return o, err
		}
	}
	in := laptop.Files{Config: at.config, Namespace: at.namespace, Only: k.cluster.namespace != ""}
	o.Plans, err = in.Read(ctx, read)
	for _, name := range in.Skipped {
		fmt.Fprintf(s.Err, "headgate: note: %s is left out: it is no experiment and no metric\n", name)
	}
	return o, err
}

// runRemote runs experiments until each has ended.
func runRemote(ctx context.Context, s IO, o laptop.Options) (err error) {
	h, err := laptop.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := h.Close(); err == nil {
			err = cerr
		}
	}()
	for _, r := range h.Runs() {
		fmt.Fprintf(s.Err, "%s: traffic by %s\n", r.ID(), cmp.Or(o.Config.Host, "the cluster"))
		if lacks := r.Unclaimed(); lacks != "" {
			fmt.Fprintf(s.Err, "headgate: note: the route is not claimed: nothing keeps another experiment from writing it\nheadgate: hint: %s\n", lacks)
		}
	}
	fmt.Fprintf(s.Err, "page and metrics %s\n\n", h.APIURL())
	if len(h.Runs()) > 1 {
		s.Terminal = false // One screen shows one experiment; headgate watch shows any.
	}
	err = followAll(ctx, s, watchedOf(h.Runs()))
	var outcomes []error
	for _, r := range h.Runs() {
		select {
		case <-r.Done():
			if v := r.View(); r.Err() == nil && v.Verdict.Outcome != "" {
				outcomes = append(outcomes, verdictError(v))
			}
		default:
			stays(s, r.View(), o.Data)
		}
	}
	return cmp.Or(err, errors.Join(outcomes...))
}

// stays says how the route of an experiment is left that goes on without us, and
// how to go on, or back.
func stays(s IO, v view.Experiment, data string) {
	shares := make([]string, len(v.Versions))
	for i, x := range v.Versions {
		shares[i] = fmt.Sprintf("%s %s", x.Name, percent(&x.Share, 1))
	}
	in := ""
	if data != defaultData {
		in = " --data " + data
	}
	fmt.Fprintf(s.Err, "\n%s: the route stays as it is: %s\n", name(v), strings.Join(shares, ", "))
	fmt.Fprintf(s.Err, "the same command goes on; headgate kill %s%s gives %s all traffic\n", name(v), in, v.Versions[0].Name)
}

// watchedOf are runs as the screen shows them.
func watchedOf[R watched](runs []R) []watched {
	out := make([]watched, len(runs))
	for i, r := range runs {
		out[i] = r
	}
	return out
}

// killRemote takes the traffic of a run back that cannot be reached, where a
// cluster carries it. The mark is written already.
func killRemote(ctx context.Context, s IO, dir string) error {
	place, carried, err := laptop.PlaceOf(dir)
	if err != nil || !carried {
		return err
	}
	k := inCluster{kubeconfig: place.Kubeconfig, context: place.Context}
	at, err := k.find()
	if err != nil {
		return err
	}
	if at.config.Host != place.Server {
		return experiment.Errorf(experiment.CodeInvalid, "the kill is marked, but the traffic is not back: the context %s leads to %s, and the route is in %s", place.Context, at.config.Host, place.Server).
			WithHint("set KUBECONFIG to the file of that cluster, and repeat the kill")
	}
	back, err := laptop.RouteBack(ctx, dir, at.config)
	if err != nil {
		return experiment.Errorf(experiment.CodeUnavailable, "the kill is marked, but the traffic is not back: %w", err).
			WithHint("%s", cmp.Or(experiment.HintOf(err), "repeat the kill"))
	}
	wrote := "the route said so already"
	if len(back.Routes) > 0 {
		wrote = "wrote " + strings.Join(back.Routes, ", ")
	}
	_, err = fmt.Fprintf(s.Out, "ROUTED  %s has all traffic of %s: %s\n", back.Baseline, back.Experiment, wrote)
	return err
}
