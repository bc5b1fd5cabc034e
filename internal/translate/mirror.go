// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"slices"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of what a mirror may send.
const (
	leastRate      = 0.001
	maxRate        = 1_000_000
	maxConcurrency = 10_000
)

func (t *translator) mirror(path string, s v1alpha1.Stage) *experiment.Mirror {
	in, at := s.Mirror, path+".mirror"
	out := &experiment.Mirror{
		Share:       t.share(at+".share", in.Share),
		Until:       t.until(path+".until", s.Until, experiment.KindMirror),
		Rate:        t.number(at+".rate", in.Rate, 0, leastRate, maxRate),
		Concurrency: int(t.some(at+".concurrency", in.Concurrency, 0, maxConcurrency)),
		Cost:        t.amount(at+".cost", in.Cost),
	}
	if out.Share == 0 {
		t.fail(at+".share", quote(string(in.Share)), "a mirror of nothing", "give it a share above 0%")
	}
	costs := func(v experiment.Version) bool { return v.Cost.PerRequest > 0 }
	if in.Cost != "" && t.clean("spec.versions") && !slices.ContainsFunc(t.plan.Versions[1:], costs) {
		t.fail(at+".cost", quote(string(in.Cost)), "no candidate has a cost per request", "add cost: {perRequest: …} to the candidates")
	}
	return out
}
