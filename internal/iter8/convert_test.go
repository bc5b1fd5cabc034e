// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"testing"

	"github.com/headgate-dev/headgate/internal/translate"
)

func TestConvertedStacksBecomePlans(t *testing.T) {
	for name, paths := range stacks(t) {
		t.Run(name, func(t *testing.T) {
			e, metrics := loaded(t, paths...)
			text, err := Convert(e, metrics, false)
			if err != nil {
				t.Fatal(err)
			}
			p, err := translate.Plan(text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if len(paths) == 1 {
				golden(t, "converted/"+name, string(text))
			}
			// Mock and load have no sample, and one metric asks the same of both versions.
			if want := name == "kfserving.yaml" || name == "knative.yaml" || name == "seed kfserving"; p.Strict != want {
				t.Errorf("strict: %v, want %v", p.Strict, want)
			}
		})
	}
}
