// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/app/cluster"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// ended is an Iter8 experiment of two versions that is over.
func ended(namespace, name, winner string, failed bool) *api.Experiment {
	e := &api.Experiment{}
	e.Namespace, e.Name = namespace, name
	e.Spec.VersionInfo = &api.VersionInfo{Baseline: api.VersionDetail{Name: "v1"}, Candidates: []api.VersionDetail{{Name: "v2"}}}
	e.Status.Conditions = []api.Condition{{Type: api.Completed, Status: "True"}, {Type: api.Failed, Status: "False"}}
	if failed {
		e.Status.Conditions[1].Status = "True"
	}
	e.Status.Analysis = &api.Analysis{WinnerAssessment: &api.WinnerAssessment{Data: api.WinnerAssessmentData{WinnerFound: winner != ""}}}
	if winner != "" {
		e.Status.Analysis.WinnerAssessment.Data.Winner = &winner
	}
	return e
}

func TestIter8ConditionsHoldWhereTheySaySo(t *testing.T) {
	running := &api.Experiment{}
	for name, tc := range map[string]struct {
		e    *api.Experiment
		want string
	}{
		"not begun":        {running, ""},
		"candidate won":    {ended("a", "b", "v2", false), "completed winnerFound successful candidateWon"},
		"baseline won":     {ended("a", "b", "v1", false), "completed winnerFound successful baselineWon"},
		"without a winner": {ended("a", "b", "", false), "completed successful noWinner"},
		"failed":           {ended("a", "b", "", true), "completed failure noWinner"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range iter8Conditions {
				if c.holds(tc.e) {
					got = append(got, c.name)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("%v hold, want %s", got, tc.want)
			}
		})
	}
}

func TestAssertWaitsForAnIter8Experiment(t *testing.T) {
	for name, tc := range map[string]struct {
		after time.Duration
		want  int
	}{"that ends in time": {50 * time.Second, ExitOK}, "that ends too late": {2 * time.Minute, ExitInconclusive}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var out strings.Builder
				err := assertIter8(t.Context(), IO{Out: &out}, []string{"completed"}, time.Minute, func(context.Context) (*api.Experiment, error) {
					if time.Since(begin) < tc.after {
						return &api.Experiment{}, nil
					}
					return ended("a", "b", "", false), nil
				})
				if code := exitCode(t.Context(), err); code != tc.want {
					t.Errorf("exit code %d (%v), want %d, after %s: %s", code, err, tc.want, time.Since(begin), out.String())
				}
			})
		})
	}
}

func TestAssertGivesUpAtOnceWhereAnIter8ExperimentHasEnded(t *testing.T) {
	var out strings.Builder
	err := assertIter8(t.Context(), IO{Out: &out}, []string{"winnerFound"}, time.Hour, func(context.Context) (*api.Experiment, error) {
		return ended("a", "b", "", false), nil
	})
	if exitCode(t.Context(), err) != ExitFalse || out.String() != "no winner found in experiment\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestIter8ExperimentsAreFoundByNameInACluster(t *testing.T) {
	s := runtime.NewScheme()
	if err := api.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	live := fake.NewClientBuilder().WithScheme(s).WithObjects(ended("shop", "one", "v2", false), ended("other", "one", "", false), ended("other", "two", "", false)).Build()
	c := &cluster.Client{Options: cluster.Options{Namespace: "shop"}, Live: live}
	for name, want := range map[string]string{"one": "shop/one", "other/two": "other/two", "": "shop/one"} {
		e, err := iter8InCluster(t.Context(), c, name)
		if err != nil || iter8ID(e) != want {
			t.Errorf("%q is %v (%v), want %s", name, e, err, want)
		}
	}
	if _, err := iter8InCluster(t.Context(), c, "none"); err == nil {
		t.Error("an experiment that is not there is found")
	}
	c.Namespace = "other"
	if _, err := iter8InCluster(t.Context(), c, ""); experiment.CodeOf(err) != experiment.CodeNotFound {
		t.Errorf("one of two: %v", err)
	}
}
