// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	kyaml "sigs.k8s.io/yaml"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/translate"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// loaded reads the one experiment of some files and the metrics that it refers to.
func loaded(t *testing.T, paths ...string) (*api.Experiment, []api.Metric) {
	t.Helper()
	var files [][]byte
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, data)
	}
	return readAll(t, files...)
}

func readAll(t *testing.T, files ...[]byte) (*api.Experiment, []api.Metric) {
	t.Helper()
	f, err := Read(files...)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Experiments) != 1 {
		t.Fatalf("%d experiments", len(f.Experiments))
	}
	e := &f.Experiments[0]
	infos, err := Gather(e, f.Get)
	if err != nil {
		t.Fatal(err)
	}
	e.Status.Metrics = infos
	return e, MetricsOf(infos)
}

// planned is the plan that a native experiment is run as.
func planned(t *testing.T, native *v1alpha1.Experiment) *experiment.Plan {
	t.Helper()
	text, err := kyaml.Marshal(native)
	if err != nil {
		t.Fatal(err)
	}
	p, err := translate.Plan(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// stacks are the fixtures: an experiment and its metrics, as users of each stack
// had them.
func stacks(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	own, err := filepath.Glob("testdata/stacks/*.yaml")
	if err != nil || len(own) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, path := range own {
		out[filepath.Base(path)] = []string{path}
	}
	if seeds := os.Getenv("HEADGATE_SEEDS"); seeds != "" {
		found, err := filepath.Glob(filepath.Join(seeds, "manifests", "*", "experiment.yaml"))
		if err != nil || len(found) == 0 {
			t.Fatalf("HEADGATE_SEEDS has no manifests: %v", err)
		}
		for _, path := range found {
			dir := filepath.Dir(path)
			out["seed "+filepath.Base(dir)] = []string{path, filepath.Join(dir, "metrics.yaml")}
		}
	}
	return out
}
