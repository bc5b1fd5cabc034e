// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// What is not assigned follows a promotion: the old version may go.
func TestUnassignedRequestsFollowThePromotion(t *testing.T) {
	g := testGateway(t, Options{})
	r := routeTo(onlyCandidate(), named(t, "one"), named(t, "two"))
	r.Assignment.Exclude = []experiment.Exclusion{{Header: "x-synthetic"}}
	r.Assignment.Overrides = []experiment.Override{{Header: "x-api-version", Value: "blue", Version: 0}}
	swap(t, g, r)
	url, client := serving(t, g)
	from := func(header ...string) string {
		t.Helper()
		return ask(t, client, "GET", url, "", header...).Header.Get(headerVersion)
	}
	if got := from(); got != "v1" {
		t.Errorf("before the promotion %s, want the baseline", got)
	}
	r.Default = 1
	r.Phase++
	swap(t, g, r)
	for name, header := range map[string][]string{"no unit": nil, "excluded": {"X-User-Id", "anna", "X-Synthetic", "1"}} {
		if got := from(header...); got != "v2" {
			t.Errorf("%s: %s, want the winner", name, got)
		}
	}
	if got := from("X-Api-Version", "blue"); got != "v1" {
		t.Errorf("a tester got %s", got)
	}
	if e, err := g.Evaluate(&experiment.Asked{Unit: "anna", Values: map[string]string{"x-synthetic": "1"}}); err != nil || e.Version != "v2" {
		t.Errorf("evaluated as %s, %v", e.Version, err)
	}
	r.Default = 2
	if err := g.Swap(&experiment.Snapshot{Sequence: 9, Routes: []experiment.Route{r}}); err == nil {
		t.Error("a version that is not there may serve the rest")
	}
}
