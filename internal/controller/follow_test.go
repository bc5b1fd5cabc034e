// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/engine"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/fields"
	routes "github.com/headgate-dev/headgate/internal/router/kube"
	"github.com/headgate-dev/headgate/internal/translate"
)

const followed = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ab, namespace: search}
spec:
  versions: [{name: v1, workload: a-1}, {name: v2, workload: a-2}]
  traffic:
    pack: istio
    fields:
    - {version: v1, apiVersion: example.com/v1, kind: Thing, name: a, path: ".spec.traffic[0].percent"}
    - {version: v2, apiVersion: example.com/v1, kind: Thing, name: a, path: ".spec.traffic[1].percent"}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  objectives: [{metric: errors, max: 5%}]
  stages:
  - {name: canary, ramp: {steps: [10%, 50%]}, hold: {requests: 1000}}
`

// written is an API server with one object that holds shares, and takes what is
// written.
type written struct{ shared }

// Patch implements client.Client.
func (s *written) Patch(ctx context.Context, o client.Object, p client.Patch, _ ...client.PatchOption) error {
	text, err := p.Data(o)
	if err != nil {
		return err
	}
	var changes []struct {
		Path  string
		Value any
	}
	if err := json.Unmarshal(text, &changes); err != nil {
		return err
	}
	for _, c := range changes {
		for i := range s.percents {
			if percent, ok := c.Value.(float64); ok && c.Path == fmt.Sprintf("/spec/traffic/%d/percent", i) {
				s.percents[i] = int64(percent)
			}
		}
	}
	s.writes++
	return s.Get(ctx, client.ObjectKeyFromObject(o), o)
}

// kept keeps one record, in memory.
type kept struct{ saved int }

func (*kept) Load(context.Context, string) (experiment.Record, error) {
	return experiment.Record{}, experiment.Errorf(experiment.CodeNotFound, "none")
}

func (*kept) Plan(context.Context, string) (*experiment.Plan, error) {
	return nil, experiment.Errorf(experiment.CodeNotFound, "none")
}

func (k *kept) Save(_ context.Context, _ string, r experiment.Record, _ ...experiment.Entry) (experiment.Record, error) {
	k.saved++
	return r, nil
}

// follower is evidence that notes what it is told, and asked for.
type follower struct {
	sealed
	phases []experiment.Phase
	calls  []string
}

// Seal implements Evidence.
func (f *follower) Seal(context.Context, engine.Wanted, time.Time) (experiment.Seal, error) {
	f.calls = append(f.calls, "asked")
	return experiment.Seal{}, nil
}

// Follow implements Follower.
func (f *follower) Follow(_ context.Context, p experiment.Phase) {
	f.phases, f.calls = append(f.phases, p), append(f.calls, "told")
}

// following makes turns of an experiment that has begun.
type following struct {
	t   *testing.T
	r   *Reconciler
	run *run
	api *written
}

func newFollowing(t *testing.T) *following {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	x := newRun("u")
	if x.plan, err = translate.Plan([]byte(followed)); err != nil {
		t.Fatal(err)
	}
	for i := range x.plan.Versions {
		x.plan.Versions[i].Workload = "" // Nobody asks here whether it is ready.
	}
	if x.router, err = fields.New(x.plan); err != nil {
		t.Fatal(err)
	}
	f := &following{t: t, run: x, api: &written{shared{percents: []any{int64(100), int64(0)}}}}
	f.r = New(Options{Metrics: metrics, Routes: routes.New(f.api, f.api, routes.Options{}), Records: &kept{}, Events: &events.FakeRecorder{}})
	x.record, x.loaded = engine.Begin(x.plan, time.Unix(1e9, 0)).Record, true
	x.claimed, x.rehearsed = true, true
	return f
}

// turn makes one, seconds after the beginning.
func (f *following) turn(after int) *turn {
	f.t.Helper()
	made := &turn{r: f.r, run: f.run, obj: &kube.Experiment{}, now: time.Unix(1e9+int64(after), 0)}
	made.proceed(f.t.Context())
	for _, o := range []*obstacle{made.stall, made.wait} {
		if o != nil {
			f.t.Fatalf("%s: %v", o.reason, o.err)
		}
	}
	return made
}

func (f *following) last() experiment.Phase {
	p := &f.run.record.Totals.Phases[len(f.run.record.Totals.Phases)-1]
	return experiment.Phase{Epoch: p.Epoch, Phase: p.Phase, Stage: p.Stage, Start: p.Start}
}

// TestEvidenceIsToldWhichPhaseLasts on each turn before it is asked, and of a new
// phase once it is routed.
func TestEvidenceIsToldWhichPhaseLasts(t *testing.T) {
	f, e := newFollowing(t), &follower{}
	f.run.evidence = e
	first := f.last()
	f.turn(1) // The first step begins.
	second := f.last()
	if second == first || second.Start.Before(time.Unix(1e9+1, 0)) || f.api.percents[1] != int64(10) {
		t.Fatalf("no phase began: %+v, percents %v", second, f.api.percents)
	}
	if diff := cmp.Diff([]experiment.Phase{first, second}, e.phases); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	e.phases, e.calls = nil, nil
	f.turn(2) // The rules are not due.
	if diff := cmp.Diff([]experiment.Phase{second}, e.phases); diff != "" || len(e.calls) != 1 {
		t.Errorf("calls %v, told (-want +got):\n%s", e.calls, diff)
	}
	f.turn(3600)
	if diff := cmp.Diff([]string{"told", "told", "asked"}, e.calls[:min(3, len(e.calls))]); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if last := e.phases[len(e.phases)-1]; last != f.last() {
		t.Errorf("told last of %+v, want %+v", last, f.last())
	}
}

// TestEvidenceThatNeedsNoPhaseIsNotTold, nor any once nothing is decided any more.
func TestEvidenceThatNeedsNoPhaseIsNotTold(t *testing.T) {
	f, e := newFollowing(t), &follower{}
	f.run.evidence = sealed{}
	f.turn(1)
	f.run.evidence, f.run.due = e, time.Time{}
	f.run.record.State.Condition = experiment.Done
	made := &turn{r: f.r, run: f.run, obj: &kube.Experiment{}, now: time.Unix(1e9+2, 0)}
	made.follow(t.Context())
	if len(e.calls) > 0 {
		t.Errorf("calls %v of what is over", e.calls)
	}
	f.run.record = experiment.Record{}
	made.follow(t.Context())
	if len(e.calls) > 0 {
		t.Errorf("calls %v without any phase", e.calls)
	}
}
