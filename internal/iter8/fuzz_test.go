// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headgate-dev/headgate/internal/translate"
)

// FuzzFiles wants no file to make anything panic, and everything that Convert
// writes to be something that the validator can read.
func FuzzFiles(f *testing.F) {
	paths, err := filepath.Glob("testdata/stacks/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, data string) {
		file, err := Read([]byte(data))
		if err != nil {
			return
		}
		for i := range file.Experiments {
			e := &file.Experiments[i]
			var b strings.Builder
			if err := Describe(&b, e); err != nil {
				t.Fatal(err)
			}
			e.Status = Begin(e, noon)
			infos, err := Gather(e, file.Get)
			if err != nil {
				Refused(e, err, noon)
				continue
			}
			e.Status.Metrics = infos
			_, _ = Native(e, MetricsOf(infos))
			text, err := Convert(e, MetricsOf(infos), false)
			if err != nil {
				continue
			}
			if _, err := translate.Plan(text); err != nil && strings.Contains(err.Error(), "not YAML") {
				t.Fatalf("%v\n%s", err, text)
			}
		}
	})
}
