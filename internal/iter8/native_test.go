// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"testing"

	kyaml "sigs.k8s.io/yaml"
)

func TestStacksBecomePlans(t *testing.T) {
	for name, paths := range stacks(t) {
		t.Run(name, func(t *testing.T) {
			e, metrics := loaded(t, paths...)
			native, err := Native(e, metrics)
			if err != nil {
				t.Fatal(err)
			}
			p := planned(t, native)
			if !p.Strict || p.Name != e.Name || p.Stages[0].Iterate == nil {
				t.Errorf("it is not the strict plan of %s: %+v", e.Name, p.Stages)
			}
			if len(paths) == 1 {
				text, err := kyaml.Marshal(native)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, "native/"+name, string(text))
			}
		})
	}
}
