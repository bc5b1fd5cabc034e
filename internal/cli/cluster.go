// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/headgate-dev/headgate/internal/app/cluster"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// remote is what the commands ask of a running Headgate, be it a process on this
// machine or a cluster.
type remote interface {
	List(ctx context.Context) ([]view.Experiment, error)
	// View gives one experiment; an empty name means the only one.
	View(ctx context.Context, name string) (view.Experiment, error)
	// Do gives a command and waits for the decision that it leads to.
	Do(ctx context.Context, name string, c experiment.Command) (experiment.Decision, error)
	Assign(ctx context.Context, name, unit string) (view.Assignment, error)
	Close()
}

// inCluster says which cluster, and what of it, is meant instead of a directory
// of this machine. Any of its flags means a cluster.
type inCluster struct {
	asked                          bool
	kubeconfig, context, namespace string
	all                            bool
	wait                           time.Duration
	set                            func(name string) bool
}

// clusterNames are the flags that mean a cluster.
var clusterNames = [...]string{"cluster", "kubeconfig", "context", "namespace", "all-namespaces"}

func (k *inCluster) flag(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&k.asked, "cluster", false, "talk to the cluster of the current context; so do the flags that follow")
	k.place(c)
	k.set = f.Changed
}

// place defines the flags that say which cluster and namespace.
func (k *inCluster) place(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&k.kubeconfig, "kubeconfig", "", "the file that says where the cluster is; by default KUBECONFIG, or the file in the home directory")
	f.StringVar(&k.context, "context", "", "the context of that file")
	f.StringVarP(&k.namespace, "namespace", "n", "", "the namespace; by default that of the context")
}

// meant reports whether a cluster is meant.
func (k *inCluster) meant() bool {
	if k.set == nil {
		return false
	}
	for _, name := range clusterNames {
		if k.set(name) {
			return true
		}
	}
	return false
}

// found is the cluster that is meant.
type found struct {
	config             *rest.Config
	context, namespace string
}

// find finds the cluster. Nothing is asked of it.
func (k *inCluster) find() (found, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = k.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: k.context}
	overrides.Context.Namespace = k.namespace
	file := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := file.ClientConfig()
	if err != nil {
		return found{}, experiment.Errorf(experiment.CodeInvalid, "find the cluster: %w", err).
			WithHint("name a kubeconfig file: --kubeconfig FILE, or KUBECONFIG; and its --context")
	}
	config.QPS, config.Burst = 50, 100
	out := found{config: config, context: k.context}
	if out.namespace, _, err = file.Namespace(); err != nil {
		return found{}, experiment.Errorf(experiment.CodeInvalid, "find the namespace: %w", err)
	}
	if raw, err := file.RawConfig(); err == nil && out.context == "" {
		out.context = raw.CurrentContext
	}
	return out, nil
}

// connect finds the cluster and makes its client.
func (k *inCluster) connect() (*cluster.Client, error) {
	at, err := k.find()
	if err != nil {
		return nil, err
	}
	if k.all {
		at.namespace = ""
	}
	return cluster.New(cluster.Options{Config: at.config, Namespace: at.namespace, Wait: k.wait})
}

// waitFlag defines how long a verb waits for the cluster's controller.
func (k *inCluster) waitFlag(c *cobra.Command) {
	c.Flags().DurationVar(&k.wait, "timeout", 30*time.Second, "how long to wait for the controller of a cluster")
}

// entries are those that a cluster keeps; what it no longer keeps is noted.
func (k *inCluster) entries(ctx context.Context, name string, notes io.Writer) iter.Seq2[experiment.Entry, error] {
	return func(yield func(experiment.Entry, error) bool) {
		c, err := k.connect()
		if err != nil {
			yield(experiment.Entry{}, err)
			return
		}
		defer c.Close()
		kept, dropped, err := c.Entries(ctx, name)
		if err != nil {
			yield(experiment.Entry{}, err)
			return
		}
		if dropped > 0 {
			fmt.Fprintf(notes, "headgate: note: the first %d entries of the journal are no longer kept in the cluster\n", dropped)
		}
		kept(yield)
	}
}

// killInCluster takes the traffic back by itself, marks the experiment, and
// waits for the controller to obey: each whatever becomes of the others. Only
// both halves together are a kill that holds.
func killInCluster(ctx context.Context, s IO, c *cluster.Client, name string, cmd experiment.Command) error {
	k, err := c.Kill(ctx, name, cmd)
	if err != nil {
		return err
	}
	if k.Route == nil {
		wrote := "the route said so already"
		if len(k.Routes) > 0 {
			wrote = "wrote " + strings.Join(k.Routes, ", ")
		}
		fmt.Fprintf(s.Out, "ROUTED  %s has all traffic of %s: %s\n", k.Baseline, k.Experiment, wrote)
	}
	if k.Mark == nil {
		fmt.Fprintf(s.Out, "MARKED  the kill stands in spec.control of %s until a person lifts it\n", k.Experiment)
	}
	if err := incomplete(k); err != nil && k.Mark != nil {
		return err
	}
	d, err := c.Answer(ctx, k)
	switch {
	case err == nil:
		err = told(s, d)
	case ctx.Err() != nil:
		return err
	default:
		fmt.Fprintf(s.Err, "headgate: note: %v\n", err)
		err = nil
	}
	return errors.Join(incomplete(k), err)
}

// incomplete says which half of a kill is missing, and what that means.
func incomplete(k cluster.Killed) error {
	fail := func(format string, args ...any) *experiment.Error {
		return experiment.Errorf(experiment.CodeUnavailable, format, args...)
	}
	hint := func(e *experiment.Error, errs ...error) error {
		for _, err := range errs {
			if h := experiment.HintOf(err); h != "" {
				return e.WithHint("%s", h)
			}
		}
		return e
	}
	switch {
	case k.Route != nil && k.Mark != nil:
		return hint(fail("NOTHING WAS KILLED\nthe traffic of %s was not taken back: %v\nand the kill is not marked: %v", k.Experiment, k.Route, k.Mark), k.Route, k.Mark)
	case k.Route != nil:
		return hint(fail("the kill of %s is marked, but this command did not take the traffic back itself: %v\na controller that runs does; see headgate get", k.Experiment, k.Route), k.Route)
	case k.Mark != nil:
		return hint(fail("the traffic of %s is back, but the kill is not marked: %v\na controller that runs may give candidates traffic again; repeat the kill", k.Experiment, k.Mark), k.Mark)
	}
	return nil
}
