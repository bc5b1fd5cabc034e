// SPDX-License-Identifier: Apache-2.0

package digits

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDataIsWhatItsReadmeSays(t *testing.T) {
	readme, err := os.ReadFile("data/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(archive)); !strings.Contains(string(readme), sum) {
		t.Errorf("data/README.md does not name the checksum of the embedded file, %s", sum)
	}
	train, test, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	var count [Classes]int
	for _, row := range append(train, test...) {
		count[row.Label]++
	}
	// The class counts of the part for testing, as the repository of the data
	// set publishes them; their sum is 1797.
	want := [Classes]int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("rows by label (-want +got):\n%s", diff)
	}
}

func TestSplitIsStratifiedAndDisjoint(t *testing.T) {
	train, test, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	var inTrain, inAll [Classes]int
	seen := make(map[Image]bool)
	for _, row := range train {
		seen[row.Pixels] = true
		inTrain[row.Label]++
		inAll[row.Label]++
	}
	for _, row := range test {
		if seen[row.Pixels] {
			t.Errorf("an image of a %d is in both parts", row.Label)
		}
		inAll[row.Label]++
	}
	for label := range Classes {
		if want := inAll[label] * 6 / 10; inTrain[label] != want {
			t.Errorf("%d of %d rows of label %d are for training, want %d", inTrain[label], inAll[label], label, want)
		}
	}
}

func TestLoadIsRepeatable(t *testing.T) {
	train, test, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	trainAgain, testAgain, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if !cmp.Equal(train, trainAgain) || !cmp.Equal(test, testAgain) {
		t.Error("two calls of Load split differently")
	}
}

func TestParse(t *testing.T) {
	line := func(pixel, label string) string { return strings.Repeat("1,", Pixels-1) + pixel + "," + label + "\n" }
	for name, tc := range map[string]struct{ text, wantErr string }{
		"a row passes":                 {line("16", "9"), ""},
		"too few columns is an error":  {"1,2,3\n", "record on line 1: wrong number of fields"},
		"pixel too dark is an error":   {line("16", "9") + line("17", "9"), `row 2, pixel 64: "17" is not a whole number from 0 to 16`},
		"negative pixel is an error":   {line("-1", "9"), `row 1, pixel 64: "-1" is not a whole number from 0 to 16`},
		"fractional pixel is an error": {line("0.5", "9"), `row 1, pixel 64: "0.5" is not a whole number from 0 to 16`},
		"label of a letter is an error": {
			line("1", "o"), `row 1, label: "o" is not a whole number from 0 to 9`,
		},
		"label of two figures is an error": {line("1", "10"), `row 1, label: "10" is not a whole number from 0 to 9`},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := parse(strings.NewReader(tc.text))
			if tc.wantErr != "" {
				if err == nil || err.Error() != tc.wantErr {
					t.Errorf("error %v, want %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) != 1 || rows[0].Label != 9 || rows[0].Pixels[0] != 1 || rows[0].Pixels[Pixels-1] != MaxPixel {
				t.Errorf("rows %v", rows)
			}
		})
	}
}
