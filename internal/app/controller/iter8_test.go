// SPDX-License-Identifier: Apache-2.0

package controller

import "testing"

func TestIter8IsAutoOnOrOff(t *testing.T) {
	for given, want := range map[string]Iter8{"auto": Iter8Auto, "on": Iter8On, "true": Iter8On, "off": Iter8Off, "false": Iter8Off} {
		var got Iter8
		if err := got.Set(given); err != nil || got != want || got.String() != string(want) {
			t.Errorf("%s is %s, %v; want %s", given, got, err, want)
		}
	}
	got := Iter8Auto
	if err := got.Set("maybe"); err == nil || got != Iter8Auto {
		t.Errorf("maybe is %s, %v", got, err)
	}
}
