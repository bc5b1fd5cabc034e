// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// foreignAB is an A/B test of Iter8 by one metric.
const foreignAB = `
apiVersion: iter8.tools/v2alpha2
kind: Experiment
metadata: {name: ab}
spec:
  target: search/ab
  strategy: {testingPattern: A/B, deploymentPattern: Progressive}
  criteria: {rewards: [{metric: engagement, preferredDirection: High}]}
  duration: {intervalSeconds: 1, iterationsPerLoop: 2}
  versionInfo:
    baseline:
      name: v1
      weightObjRef: {apiVersion: networking.istio.io/v1, kind: VirtualService, name: ab, fieldPath: ".spec.http[0].route[0].weight"}
    candidates:
    - name: v2
      weightObjRef: {apiVersion: networking.istio.io/v1, kind: VirtualService, name: ab, fieldPath: ".spec.http[0].route[1].weight"}
`

const foreignMetric = `
apiVersion: iter8.tools/v2alpha2
kind: Metric
metadata: {name: engagement}
spec: {type: Counter, mock: [{name: v1, level: "1"}, {name: v2, level: "2"}]}
`

// read reads texts, each a file.
func read(t *testing.T, f *fake, only bool, texts ...string) ([]Planned, *Files, error) {
	t.Helper()
	in := &Files{Config: f.config, Namespace: "search", Only: only}
	var files []File
	for i, text := range texts {
		files = append(files, File{fmt.Sprintf("file-%d", i), []byte(text)})
	}
	out, err := in.Read(t.Context(), files)
	return out, in, err
}

func TestFilesOfEveryKind(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	native := strict("native", 2, "")
	object := "apiVersion: v1\nkind: Namespace\nmetadata: {name: search}\n"
	for name, c := range map[string]struct {
		texts   []string
		plans   string
		skipped string
	}{
		"a native one gets the namespace":        {[]string{native}, "search/native strict", ""},
		"one that names its namespace keeps it":  {[]string{strings.Replace(native, "{name: native}", "{name: native, namespace: other}", 1)}, "other/native strict", ""},
		"Iter8's with its metric in a file":      {[]string{foreignAB, foreignMetric}, "search/ab strict", ""},
		"Iter8's with its metric beside it":      {[]string{foreignAB + "---" + foreignMetric}, "search/ab strict", ""},
		"both, and an object of another kind":    {[]string{foreignMetric + "---\n" + object + "---" + foreignAB, native}, "search/native strict, search/ab strict", "Namespace search"},
		"a native one in a file with Iter8's":    {[]string{foreignMetric + "---" + native + "---" + foreignAB}, "search/native strict, search/ab strict", ""},
		"a native metric in a file of its own":   {[]string{referring, reusable}, "search/canary", ""},
		"a native metric in a file with Iter8's": {[]string{referring, reusable + "---" + foreignMetric}, "search/canary", ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, in, err := read(t, f, false, c.texts...)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range out {
				id := p.Plan.ID()
				if p.Plan.Strict {
					id += " strict"
				}
				got = append(got, id)
				if isForeign := p.Iter8 != nil; isForeign != (p.Plan.Name == "ab") {
					t.Errorf("%s was made for %v", id, p.Iter8)
				}
			}
			if strings.Join(got, ", ") != c.plans || strings.Join(in.Skipped, ", ") != c.skipped {
				t.Errorf("plans %v, left out %v", got, in.Skipped)
			}
		})
	}
}

const referring = `
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: canary}
spec:
  versions: [{name: v1, backend: a}, {name: v2, backend: b}]
  traffic: {virtualService: {name: ab}}
  metrics: [{name: errors, ref: {name: failures}}]
  objectives: [{metric: errors, max: "5%"}]
  stages: [{name: canary, ramp: {steps: [10%]}, hold: {requests: 100}}]
`

const reusable = `
apiVersion: headgate.dev/v1alpha1
kind: Metric
metadata: {name: failures, namespace: search}
spec: {from: {builtin: error-rate}}
`

func TestMetricsOfIter8AreReadFromTheCluster(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	if _, _, err := read(t, f, false, foreignAB); experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), "search/engagement") {
		t.Errorf("a metric that is nowhere: %v", err)
	}
	f.put("iter8.tools/v2alpha2/namespaces/search/metrics/engagement", `{"apiVersion": "iter8.tools/v2alpha2", "kind": "Metric",
		"metadata": {"name": "engagement", "namespace": "search"}, "spec": {"mock": [{"name": "v1", "level": "1"}, {"name": "v2", "level": "2"}]}}`)
	out, _, err := read(t, f, false, foreignAB)
	if err != nil || len(out) != 1 || len(out[0].Plan.Metrics) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	f.forbidden["get metrics"] = true
	if _, _, err := read(t, f, false, foreignAB); err == nil || !strings.Contains(err.Error(), "cannot get") {
		t.Errorf("a metric that may not be read: %v", err)
	}
}

func TestFilesThatAreWrong(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	for name, c := range map[string]struct {
		texts []string
		want  string
	}{
		"metrics alone":             {[]string{foreignMetric, foreignMetric}, "no experiment"},
		"another namespace":         {[]string{strings.Replace(strict("ab", 2, ""), "{name: ab}", "{name: ab, namespace: other}", 1)}, "other/ab is of another namespace than search"},
		"a mistake has file, line":  {[]string{strings.Replace(strict("ab", 2, ""), "pattern: reward", "pattern: best", 1)}, "file-0:\nline 13"},
		"a mistake of a metric":     {[]string{referring, strings.Replace(reusable, "error-rate", "errors", 1)}, "file-0:\nline 5: metric \"failures\""},
		"not YAML":                  {[]string{"a: [\n"}, "file-0:"},
		"an unknown kind of Iter8":  {[]string{strings.Replace(foreignMetric, "kind: Metric", "kind: Judge", 1)}, "kind Judge of Iter8"},
		"Iter8's with a wrong type": {[]string{strings.Replace(foreignAB, "intervalSeconds: 1", "intervalSeconds: soon", 1)}, "ab: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, f, true, c.texts...)
			if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
