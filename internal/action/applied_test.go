// SPDX-License-Identifier: Apache-2.0

package action

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDropped(t *testing.T) {
	type m = map[string]any
	for name, c := range map[string]struct{ before, now, live, want m }{
		"what is not said any more goes": {
			m{"spec": m{"template": m{"a": 1}, "traffic": []any{1}}},
			m{"spec": m{"template": m{"a": 2}}},
			m{"spec": m{"template": m{"a": 2}, "traffic": []any{2}, "mine": 1}},
			m{"spec": m{"traffic": nil}},
		},
		"what is gone already stays gone": {m{"spec": m{"a": 1, "b": 2}}, m{"spec": m{"a": 1}}, m{"spec": m{"a": 1}}, m{}},
		"what somebody else says stays":   {m{"spec": m{"a": 1}}, m{"spec": m{"a": 1}}, m{"spec": m{"a": 1, "b": 2}}, m{}},
		"another kind of value is whole":  {m{"spec": m{"a": m{"b": 1}}}, m{"spec": m{"a": "text"}}, m{"spec": m{"a": "text"}}, m{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, dropped(c.before, c.now, c.live)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestContentIsWhatPeopleSay(t *testing.T) {
	type m = map[string]any
	got := content(m{
		"spec": m{"a": 1}, "status": m{"b": 2},
		"metadata": m{"name": "x", "uid": "u", "labels": m{"l": "1"}, "annotations": m{"n": "1", lastApplied: "{}"}},
	})
	want := m{"spec": m{"a": 1}, "metadata": m{"labels": m{"l": "1"}, "annotations": m{"n": "1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
