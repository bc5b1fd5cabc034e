// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	kubeclient "sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/app/cluster"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// iter8Conditions are what assert -c knows, and what it says where one does not
// hold. The first two, and their words, are Iter8's own.
var iter8Conditions = []struct {
	name, otherwise string
	holds           func(e *api.Experiment) bool
}{
	{"completed", "experiment has not completed", iter8Ended},
	{"winnerFound", "no winner found in experiment", func(e *api.Experiment) bool { return iter8Winner(e) != "" }},
	{"successful", "experiment has not completed without a failure", func(e *api.Experiment) bool { return iter8Ended(e) && !iter8Condition(e, api.Failed) }},
	{"failure", "experiment has not failed", func(e *api.Experiment) bool { return iter8Condition(e, api.Failed) }},
	{"candidateWon", "no candidate has won in experiment", func(e *api.Experiment) bool {
		return iter8Winner(e) != "" && e.Spec.VersionInfo != nil && iter8Winner(e) != e.Spec.VersionInfo.Baseline.Name
	}},
	{"baselineWon", "the baseline has not won in experiment", func(e *api.Experiment) bool {
		return iter8Winner(e) != "" && e.Spec.VersionInfo != nil && iter8Winner(e) == e.Spec.VersionInfo.Baseline.Name
	}},
	{"noWinner", "experiment has not completed without a winner", func(e *api.Experiment) bool { return iter8Ended(e) && iter8Winner(e) == "" }},
}

func iter8Condition(e *api.Experiment, kind api.ConditionType) bool {
	return slices.ContainsFunc(e.Status.Conditions, func(c api.Condition) bool { return c.Type == kind && c.Status == corev1.ConditionTrue })
}

func iter8Ended(e *api.Experiment) bool { return iter8Condition(e, api.Completed) }

// iter8Winner is the winner's name; empty is none.
func iter8Winner(e *api.Experiment) string {
	a := e.Status.Analysis
	if a == nil || a.WinnerAssessment == nil || !a.WinnerAssessment.Data.WinnerFound || a.WinnerAssessment.Data.Winner == nil {
		return ""
	}
	return *a.WinnerAssessment.Data.Winner
}

// iter8Known checks the conditions of assert -c.
func iter8Known(conditions []string) error {
	var known []string
	for _, c := range iter8Conditions {
		known = append(known, c.name)
	}
	for _, name := range conditions {
		if !slices.Contains(known, name) {
			return usageError{fmt.Errorf("invalid condition: %s: want some of %s", name, strings.Join(known, ", "))}
		}
	}
	return nil
}

// assertIter8 waits until the conditions hold for an Iter8 experiment, it has
// ended, or the time is over. read reads it anew.
func assertIter8(ctx context.Context, s IO, conditions []string, within time.Duration, read func(context.Context) (*api.Experiment, error)) error {
	deadline := time.Now().Add(within)
	for {
		e, err := read(ctx)
		if err != nil {
			return err
		}
		unmet := ""
		for _, c := range iter8Conditions {
			if unmet == "" && slices.Contains(conditions, c.name) && !c.holds(e) {
				unmet = c.otherwise
			}
		}
		if unmet == "" {
			_, err := fmt.Fprintln(s.Out, "All conditions satisfied.")
			return err
		}
		if ended := iter8Ended(e); ended || !time.Now().Before(deadline) {
			fmt.Fprintln(s.Out, unmet)
			err := fmt.Errorf("%s: %s", iter8ID(e), unmet)
			if ended {
				return falseError{err}
			}
			return inconclusiveError{err}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// iter8Reader gives what reads the experiment that is meant: that of a file, or
// one of a cluster.
func iter8Reader(t *target, file, name string) (func(context.Context) (*api.Experiment, error), error) {
	if file != "" {
		data, err := readFile(file)
		if err != nil {
			return nil, err
		}
		e, err := oneIter8(data)
		if err == nil && e == nil {
			err = experiment.Errorf(experiment.CodeInvalid, "there is no Experiment of %s", api.APIVersion)
		}
		if err != nil {
			return nil, inFile(file, err)
		}
		return func(context.Context) (*api.Experiment, error) { return e, nil }, nil
	}
	c, err := t.cluster.connect()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (*api.Experiment, error) { return iter8InCluster(ctx, c, name) }, nil
}

// iter8CallTimeout bounds one question to the API server.
const iter8CallTimeout = 10 * time.Second

// iter8InCluster reads an Iter8 experiment of a cluster; without a name it is the
// only one of the namespace.
func iter8InCluster(ctx context.Context, c *cluster.Client, name string) (*api.Experiment, error) {
	ctx, cancel := context.WithTimeout(ctx, iter8CallTimeout)
	defer cancel()
	if name == "" {
		return onlyIter8(ctx, c)
	}
	key := types.NamespacedName{Namespace: c.Namespace, Name: name}
	if namespace, rest, ok := strings.Cut(name, "/"); ok {
		key = types.NamespacedName{Namespace: namespace, Name: rest}
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(api.GroupVersion().WithKind(api.KindExperiment))
	if err := c.Live.Get(ctx, key, u); err != nil {
		return nil, cluster.Failure("get Iter8 experiment "+key.String(), err)
	}
	return iter8Of(u)
}

func onlyIter8(ctx context.Context, c *cluster.Client) (*api.Experiment, error) {
	all := &unstructured.UnstructuredList{}
	all.SetGroupVersionKind(api.GroupVersion().WithKind(api.KindExperiment + "List"))
	if err := c.Live.List(ctx, all, kubeclient.InNamespace(c.Namespace)); err != nil {
		return nil, cluster.Failure("list Iter8 experiments", err)
	}
	if n := len(all.Items); n != 1 {
		return nil, experiment.Errorf(experiment.CodeNotFound, "there are %d Iter8 experiments in namespace %s: which one?", n, c.Namespace).WithHint("name one, or another namespace with -n NAMESPACE")
	}
	return iter8Of(&all.Items[0])
}

func iter8Of(u *unstructured.Unstructured) (*api.Experiment, error) {
	var e api.Experiment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &e); err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read Iter8 experiment %s: %w", u.GetName(), err)
	}
	return &e, nil
}
