// SPDX-License-Identifier: Apache-2.0

package counter

import "testing"

func BenchmarkLogE(b *testing.B) {
	segments := []Segment{{3, 95, 1, 99}, {16, 80, 1, 9}, {71, 52, 5, 5}}
	for b.Loop() {
		if _, err := LogE(segments, 0.5); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRateRatioP(b *testing.B) {
	for b.Loop() {
		if _, err := RateRatioP(Events{1100, 80_000}, Events{2100, 301_100}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWindows(b *testing.B) {
	s := Series{Samples: scraped(45, 3600)}
	f := frame
	f.Count = 59
	for b.Loop() {
		if _, err := s.Windows(f); err != nil {
			b.Fatal(err)
		}
	}
}
