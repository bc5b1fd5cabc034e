// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/discovery"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/app/cluster"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// Status is how a check came out.
type Status string

// The statuses. Info is neither good nor bad.
const (
	OK      Status = "ok"
	Info    Status = "info"
	Warning Status = "warning"
	Unknown Status = "unknown"
	Failed  Status = "failed"
)

// Result is one check of one thing.
type Result struct {
	// Section is what the check is of: "headgate", "your rights", "the
	// controller's rights", or an experiment.
	Section string `json:"section"`
	Code    Code   `json:"code"`
	Status  Status `json:"status"`
	// Text says what was found, Hint what to do where it is not ok. A hint may
	// have several lines, to be copied as they are.
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// ReportKind heads the JSON form of a Report.
const ReportKind = "CheckReport"

// Report is all that was checked, in order.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// OK says that nothing failed and everything could be found out; warnings
	// aside.
	OK      bool     `json:"ok"`
	Results []Result `json:"results"`
}

// Count is how many results have a status.
func (r *Report) Count(s Status) int {
	n := 0
	for _, x := range r.Results {
		if x.Status == s {
			n++
		}
	}
	return n
}

// Options say what is checked.
type Options struct {
	Client *cluster.Client
	// Names are experiments; none is all of the client's namespace.
	Names []string
	// Account is the controller's, namespace/name.
	Account string
	// Home is the namespace of the controller's Lease.
	Home string
	// Prometheus answers for experiments that name no provider, and instead of
	// the address of the only one; empty asks the plan's.
	Prometheus string
}

// timeout bounds one question to the cluster.
const timeout = 10 * time.Second

// checker is a check under way.
type checker struct {
	Options
	section string
	report  Report
	// known are the namespaces whose rights were looked at.
	known []string
}

// Run checks everything that there is to check. What cannot be found out is a
// result, too; the error is the caller's own, such as an interruption.
func Run(ctx context.Context, o Options) (Report, error) {
	k := &checker{Options: o, report: Report{APIVersion: view.APIVersion, Kind: ReportKind, Results: []Result{}}}
	if k.reach(ctx) {
		k.installed(ctx)
		k.experiments(ctx)
	}
	k.report.OK = k.report.Count(Failed) == 0 && k.report.Count(Unknown) == 0
	return k.report, ctx.Err()
}

// say adds a result; a hint is the catalogue's where none is given.
func (k *checker) say(code Code, status Status, hint, format string, args ...any) {
	if hint == "" && status != OK && status != Info {
		all := Catalogue()
		hint = all[slices.IndexFunc(all, func(e Entry) bool { return e.Code == code })].Remedy
	}
	k.report.Results = append(k.report.Results, Result{
		Section: k.section, Code: code, Status: status, Text: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// failed adds what an error says, with its hint.
func (k *checker) failed(code Code, status Status, err error) {
	k.say(code, status, experiment.HintOf(err), "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
}

// reach asks the API server who it is.
func (k *checker) reach(ctx context.Context) bool {
	k.section = "headgate"
	config := *k.Client.Config
	config.Timeout = timeout
	d, err := discovery.NewDiscoveryClientForConfig(&config)
	if err != nil {
		k.failed(CodeReach, Unknown, err)
		return false
	}
	version, err := d.ServerVersion()
	if err != nil || ctx.Err() != nil {
		k.say(CodeReach, Unknown, "", "the API server at %s does not answer: %v", config.Host, err)
		return false
	}
	k.say(CodeReach, OK, "", "the API server answers (Kubernetes %s)", version.GitVersion)
	return true
}

// experiments checks each experiment that is meant.
func (k *checker) experiments(ctx context.Context) {
	var all []*kube.Experiment
	if len(k.Names) == 0 {
		list, err := k.Client.Experiments(ctx)
		if err != nil {
			k.section = "experiments"
			k.failed(CodeYouRead, Unknown, err)
			return
		}
		for i := range list {
			all = append(all, &list[i])
		}
	}
	for _, name := range k.Names {
		e, err := k.Client.Find(ctx, name)
		if err != nil {
			k.section = "experiment " + name
			k.failed(CodeYouRead, Unknown, err)
			continue
		}
		all = append(all, e)
	}
	if len(all) == 0 && k.Client.Namespace != "" {
		k.rights(ctx, k.Client.Namespace)
	}
	for _, e := range all {
		k.rights(ctx, e.Namespace)
	}
	for _, e := range all {
		k.experiment(ctx, e)
	}
}
