// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/fields"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
)

// shared is an API server with one object that holds shares, which counts
// attempts to write it and refuses them.
type shared struct {
	client.Client
	percents []any
	writes   int
}

var thing = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Thing"}

func (s *shared) Get(_ context.Context, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	traffic := []any{map[string]any{"percent": s.percents[0]}, map[string]any{"percent": s.percents[1]}}
	o.(*unstructured.Unstructured).Object = map[string]any{
		"apiVersion": "example.com/v1", "kind": "Thing",
		"metadata": map[string]any{"name": "a", "namespace": "search", "resourceVersion": "7", "generation": int64(1)},
		"spec":     map[string]any{"traffic": traffic},
	}
	return nil
}

func (s *shared) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	s.writes++
	return errors.New("not now")
}

func (s *shared) RESTMapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	m.Add(thing, meta.RESTScopeNamespace)
	return m
}

// strictTurn is a turn of a strict plan whose route is in a cluster.
func strictTurn(t *testing.T, shift experiment.Shift, percents ...any) (*turn, *shared) {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	api, x := &shared{percents: percents}, newRun("u")
	x.plan = &experiment.Plan{
		Namespace: "search", Name: "ab", Strict: true, Versions: []experiment.Version{{Name: "v1"}, {Name: "v2"}},
		Metrics: []experiment.Metric{{Name: "latency", Provider: &experiment.ProviderMetric{Mock: &experiment.MockQuery{}}}},
		Stages:  []experiment.Stage{{Iterate: &experiment.Iterate{Shift: shift, Times: 1, Loops: 1}}},
		Router: experiment.Router{Fields: []experiment.ShareField{
			{Version: 0, APIVersion: "example.com/v1", Kind: "Thing", Name: "a", Path: ".spec.traffic[0].percent"},
			{Version: 1, APIVersion: "example.com/v1", Kind: "Thing", Name: "a", Path: ".spec.traffic[1].percent"},
		}},
	}
	if x.router, err = fields.New(x.plan); err != nil {
		t.Fatal(err)
	}
	x.loaded = true
	made := &turn{r: New(Options{Metrics: metrics, Routes: routes.New(api, api, routes.Options{})}), run: x, obj: &kube.Experiment{}, now: time.Unix(1e9, 0), decided: true}
	return made, api
}

// TestReleasedRoutesAreNotWritten: after the end of its iterations the route of a
// strict plan is its actions', until a kill or a retry.
func TestReleasedRoutesAreNotWritten(t *testing.T) {
	shares := experiment.SlotsOf(experiment.Shares{500, 9500})
	baseline := experiment.SlotsOf(experiment.Baseline(2))
	over, going := &experiment.Iteration{Done: 1, Over: true}, &experiment.Iteration{Done: 1}
	for name, c := range map[string]struct {
		shift  experiment.Shift
		state  experiment.State
		writes bool
	}{
		"while it iterates":         {experiment.ShiftGreedy, experiment.State{Condition: experiment.Running, Slots: shares, Iteration: going}, true},
		"after a winner":            {experiment.ShiftGreedy, experiment.State{Condition: experiment.Done, Outcome: experiment.Promoted, Winner: 1, Slots: shares, Iteration: over}, false},
		"after the baseline won":    {experiment.ShiftGreedy, experiment.State{Condition: experiment.Done, Outcome: experiment.BaselineKept, Slots: baseline, Iteration: over}, false},
		"after a rollback":          {experiment.ShiftGreedy, experiment.State{Condition: experiment.Done, Outcome: experiment.RolledBack, Slots: baseline, Iteration: going}, true},
		"killed after a winner":     {experiment.ShiftGreedy, experiment.State{Condition: experiment.Killed, Outcome: experiment.RolledBack, Slots: baseline, Iteration: going}, true},
		"where nothing is shifted":  {experiment.ShiftNone, experiment.State{Condition: experiment.Running, Slots: baseline}, false},
		"killed where nothing is":   {experiment.ShiftNone, experiment.State{Condition: experiment.Killed, Outcome: experiment.RolledBack, Slots: baseline}, true},
		"begun anew after a winner": {experiment.ShiftGreedy, experiment.State{Condition: experiment.Running, Slots: baseline, Epoch: 2}, true},
	} {
		t.Run(name, func(t *testing.T) {
			x, api := strictTurn(t, c.shift, int64(30), int64(70))
			x.run.record.State = c.state
			x.route(t.Context())
			if got := api.writes > 0; got != c.writes {
				t.Errorf("%d writes; wait %v", api.writes, x.wait)
			}
			if c.writes {
				return
			}
			if x.seen.Asked == nil || x.seen.Asked[1] != 7000 || x.wait != nil || x.stall != nil {
				t.Errorf("seen %v, %v, %v", x.seen.Asked, x.wait, x.stall)
			}
			if x.seen.Settled = false; c.state.Condition == experiment.Done && x.again() != 0 {
				t.Errorf("the next turn is in %s", x.again())
			}
		})
	}
}

// pointed is evidence of one point, which fails if why is given.
type pointed struct {
	sealed
	why string
}

func (p pointed) Points(_ context.Context, at experiment.Moment) []experiment.Reading {
	value := float64(at.Elapsed)
	if p.why != "" {
		return []experiment.Reading{{Metric: "latency", Failed: p.why}, {Metric: "latency", Version: 1, Failed: p.why}}
	}
	return []experiment.Reading{{Metric: "latency", Value: &value}}
}

// TestPointsAreReadWhenDue: what fails is told of, and sources that cannot be
// opened are an answer too.
func TestPointsAreReadWhenDue(t *testing.T) {
	x, _ := strictTurn(t, experiment.ShiftGreedy, int64(100), int64(0))
	x.run.record.State = experiment.State{Condition: experiment.Running}
	x.run.evidence = pointed{}
	if got := x.points(t.Context()); len(got) != 1 || *got[0].Value != 1 || len(x.unheard) > 0 {
		t.Errorf("%+v, unheard %v", got, x.unheard)
	}
	x.run.evidence = pointed{why: "refused"}
	if got := x.points(t.Context()); len(got) != 2 || len(x.unheard) != 1 || x.unheard[0] != "latency: refused" {
		t.Errorf("%+v, unheard %v", got, x.unheard)
	}
	x.run.evidence, x.run.deaf = nil, "the secret is not there"
	if got := x.points(t.Context()); len(got) != 2 || !strings.Contains(got[1].Failed, "the secret is not there") {
		t.Errorf("%+v", got)
	}
	x.run.record.State.Condition = experiment.Paused
	if got := x.points(t.Context()); got != nil {
		t.Errorf("%+v", got)
	}
}
