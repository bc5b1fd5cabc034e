// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// cell is a row of the document's table of metrics: its name, perhaps wrapped, and
// two values.
var cell = regexp.MustCompile(`^\| (\S+) +\| +([0-9.]+) \| +([0-9.]+) \|$`)

// TestDescribeIsThatOfTheDocument writes the sample that Iter8's own quick start
// shows, from the manifests and the numbers in it, and wants it letter by letter,
// but for what is written since: the reward, and the order of the metrics.
func TestDescribeIsThatOfTheDocument(t *testing.T) {
	seeds := os.Getenv("HEADGATE_SEEDS")
	if seeds == "" {
		t.Skip("set HEADGATE_SEEDS to Iter8's documents and manifests")
	}
	want := sample(t, seeds)
	dir := filepath.Join(seeds, "manifests", "knative")
	e, _ := loaded(t, filepath.Join(dir, "experiment.yaml"), filepath.Join(dir, "metrics.yaml"))
	versions := []string{e.Spec.VersionInfo.Baseline.Name, e.Spec.VersionInfo.Candidates[0].Name}
	stage, winner := api.StageRunning, versions[1]
	e.Status.Stage, e.Status.CompletedIterations, e.Status.VersionRecommendedForPromotion = &stage, ptr(int32(8)), &winner
	meta := api.AnalysisMeta{Provenance: "x", Timestamp: metav1.NewTime(noon)}
	data := map[string]api.AggregatedMetric{}
	for _, line := range want[slices.Index(want, "****** Metrics Assessment ******"):] {
		if m := cell.FindStringSubmatch(line); m != nil {
			a, b := resource.MustParse(m[2]), resource.MustParse(m[3])
			data[m[1]] = api.AggregatedMetric{Data: map[string]api.AggregatedVersion{versions[0]: {Value: &a}, versions[1]: {Value: &b}}}
		}
	}
	if len(data) != 5 {
		t.Fatalf("%d metrics in the document", len(data))
	}
	yes := api.Assessment{true, true, true}
	e.Status.Analysis = &api.Analysis{
		AggregatedMetrics:  &api.AggregatedMetrics{AnalysisMeta: meta, Data: data},
		VersionAssessments: &api.VersionAssessments{AnalysisMeta: meta, Data: map[string]api.Assessment{versions[0]: yes, versions[1]: yes}},
		WinnerAssessment:   &api.WinnerAssessment{AnalysisMeta: meta, Data: api.WinnerAssessmentData{WinnerFound: true, Winner: &winner}},
	}
	var b strings.Builder
	if err := Describe(&b, e); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(b.String(), "\n")
	from, to := slices.Index(got, "****** Reward Assessment ******"), slices.Index(got, "****** Objective Assessment ******")
	got = slices.Delete(got, from, to)
	head := slices.Index(want, "****** Metrics Assessment ******") + 5
	for i := range head {
		line := got[i+1] // It begins with an empty line.
		if line != want[i] {
			t.Errorf("line %d\ngot  %s\nwant %s", i, line, want[i])
		}
	}
	for _, line := range want[head:] {
		if !slices.Contains(got, line) {
			t.Errorf("there is no line %s", line)
		}
	}
}

// sample is the text that the document shows.
func sample(t *testing.T, seeds string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(seeds, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(text), "****** Overview ******\nExperiment name: quickstart-exp\nExperiment namespace: default\nTarget: default/sample-app\n")
		if !ok {
			continue
		}
		lines := strings.Split(rest, "\n")
		end := slices.Index(lines, "****** Metrics Assessment ******")
		for ; end < len(lines) && lines[end] != ""; end++ {
		}
		return append([]string{"****** Overview ******", "Experiment name: quickstart-exp", "Experiment namespace: default", "Target: default/sample-app"}, lines[:end]...)
	}
	t.Fatal("no document shows describe")
	return nil
}
