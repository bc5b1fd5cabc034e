// SPDX-License-Identifier: Apache-2.0

package action

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

func twoVersions() *experiment.Plan {
	return &experiment.Plan{
		Namespace: "search", Name: "ranker", Stages: []experiment.Stage{{Name: "canary"}},
		Versions: []experiment.Version{
			{Name: "v1", Variables: []experiment.NameValue{{Name: "manifest", Value: "old.yaml"}}},
			{Name: "v2", Variables: []experiment.NameValue{{Name: "experiment", Value: "mine"}, {Name: "manifest", Value: "new.yaml"}}},
		},
		Actions: &experiment.Actions{OnFinish: []experiment.Action{{Name: "a"}, {Name: "b"}}},
	}
}

func TestDocumentOfEachEnd(t *testing.T) {
	whole := func(v experiment.Share) experiment.Slots {
		return experiment.SlotsOf(experiment.Shares{experiment.Whole - v, v})
	}
	for name, c := range map[string]struct {
		state  experiment.State
		strict bool
		want   map[string]any
	}{
		"a promotion": {
			state: experiment.State{Condition: experiment.Done, Outcome: experiment.Promoted, Winner: 1, Slots: whole(experiment.Whole)},
			want:  map[string]any{"name": "v2", "manifest": "new.yaml", "winner": "v2", "candidateWon": true, "promoted": true, "outcome": "promoted"},
		},
		"a promotion that is kept warm": {
			state: experiment.State{Condition: experiment.Warm, Winner: 1, Slots: whole(experiment.Whole)},
			want:  map[string]any{"name": "v2", "manifest": "new.yaml", "winner": "v2", "candidateWon": true, "promoted": true, "outcome": "promoted"},
		},
		"a rollback": {
			state: experiment.State{Condition: experiment.Done, Outcome: experiment.RolledBack, Slots: whole(0)},
			want:  map[string]any{"name": "v1", "manifest": "old.yaml", "winner": "", "candidateWon": false, "promoted": false, "outcome": "rolled-back"},
		},
		"a step of a canary": {
			state: experiment.State{Condition: experiment.Running, Slots: whole(2500)},
			want:  map[string]any{"name": "v1", "manifest": "old.yaml", "winner": "", "candidateWon": false, "promoted": false, "outcome": ""},
		},
		"iterations that a candidate won": {
			strict: true,
			state:  experiment.State{Condition: experiment.Done, Iteration: &experiment.Iteration{Found: true, Winner: 1}, Slots: whole(500)},
			want:   map[string]any{"name": "v2", "manifest": "new.yaml", "winner": "v2", "candidateWon": true, "promoted": false, "outcome": ""},
		},
		"iterations that the baseline won": {
			strict: true,
			state:  experiment.State{Condition: experiment.Done, Iteration: &experiment.Iteration{Found: true}, Slots: whole(9500)},
			want:   map[string]any{"name": "v1", "manifest": "old.yaml", "winner": "v1", "candidateWon": false, "promoted": false, "outcome": ""},
		},
		"iterations that have not begun": {
			strict: true, state: experiment.State{Condition: experiment.Running, Slots: whole(0)},
			want: map[string]any{"name": "v1", "manifest": "old.yaml", "winner": "", "candidateWon": false, "promoted": false, "outcome": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := twoVersions()
			p.Strict = c.strict
			doc := Document(p, &c.state, intent(1), nil)
			e := doc["experiment"].(map[string]any)
			got := map[string]any{
				"name": doc["name"], "manifest": doc["manifest"], "winner": e["winner"],
				"candidateWon": e["candidateWon"], "promoted": e["promoted"], "outcome": e["outcome"],
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDocumentIsWholeAndPlain(t *testing.T) {
	s := &experiment.State{Condition: experiment.Done, Outcome: experiment.Promoted, Winner: 1, Slots: experiment.SlotsOf(experiment.Shares{8750, 1250})}
	got := Document(twoVersions(), s, intent(1), map[string]any{"spec": map[string]any{"n": int64(1 << 40), "f": 0.25, "l": []string{"a"}}})
	want := map[string]any{
		"name": "v2", "manifest": "new.yaml",
		"experiment": map[string]any{
			"name": "ranker", "namespace": "search", "id": "search/ranker", "key": "search/ranker/4/onFinish/1", "outcome": "promoted", "condition": "done",
			"stage": "canary", "hook": "onFinish", "baseline": "v1", "recommended": "v2", "winner": "v2", "winnerFound": true, "candidateWon": true,
			"promoted": true, "shares": map[string]any{"v1": 87.5, "v2": 12.5}, "strict": false,
		},
		"this": map[string]any{"spec": map[string]any{"n": 1 << 40, "f": 0.25, "l": []any{"a"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTasksAreThePlansOwnActionsInOrder(t *testing.T) {
	s := &experiment.State{Slots: experiment.SlotsOf(experiment.Baseline(2)), Actions: []experiment.Intent{
		{Kind: experiment.IntentCopy, Transition: 4}, intent(1), intent(0), intent(7),
	}}
	tasks := Tasks(twoVersions(), s, "u1")
	if len(tasks) != 2 || tasks[0].Key != "u1/4/onFinish/1" || tasks[0].Label != "onFinish/b" || tasks[1].Label != "onFinish/a" {
		t.Fatalf("%+v", tasks)
	}
	if got := tasks[0].Document["experiment"].(map[string]any)["key"]; got != tasks[0].Key {
		t.Errorf("key %v in the document", got)
	}
}

func TestLocalUIDOutlivesTheProcessAndNotTheExperiment(t *testing.T) {
	p, at := twoVersions(), time.Unix(1e9, 0)
	first := LocalUID(p, &experiment.State{Started: at})
	if first != LocalUID(p, &experiment.State{Started: at.UTC(), Transition: 5}) {
		t.Error("it changes while the experiment runs")
	}
	if first == LocalUID(p, &experiment.State{Started: at.Add(time.Second)}) {
		t.Error("another experiment has it too")
	}
}
