// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// told is one whose loggers tell of answers.
const told = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: ab}
spec:
  versions: [{name: v1, backend: ab-v1, workload: ab-v1}, {name: v2, backend: ab-v2, workload: ab-v2}]
  traffic: {virtualService: {name: ab}}
  predictions: {by: events, protocol: kserve}
  metrics: [{name: invalid, from: {prediction: invalid}}]
  objectives: [{metric: invalid, max: 5%}]
  stages: [{name: canary, ramp: {steps: [10%]}, hold: {requests: 100}}]
`

// TestAPlanThatHearsIsRefused: no ledger is there that loggers could tell. What
// was never begun claims nothing.
func TestAPlanThatHearsIsRefused(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.route("ab")
	err := refused(t, f, t.TempDir(), told)
	if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "nobody hears what the loggers of search/ab tell") ||
		!strings.Contains(experiment.HintOf(err), "headgate ledger --events") {
		t.Errorf("%v, hint %q", err, experiment.HintOf(err))
	}
	if n := f.claims(); n != 0 || f.shares("ab") != "100/0" {
		t.Errorf("%d claims are left, shares %s", n, f.shares("ab"))
	}
}
