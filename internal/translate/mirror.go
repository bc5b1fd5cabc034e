// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"slices"
	"time"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

// Bounds of what a mirror may send.
const (
	leastRate      = 0.001
	maxRate        = 1_000_000
	maxConcurrency = 10_000

	leastCopyTimeout = time.Millisecond
	mostCopyTimeout  = 10 * time.Minute
)

func (t *translator) mirror(path string, s v1alpha1.Stage) *experiment.Mirror {
	in, at := s.Mirror, path+".mirror"
	out := &experiment.Mirror{
		Share:       t.share(at+".share", in.Share),
		Until:       t.until(path+".until", s.Until, experiment.KindMirror),
		Rate:        t.number(at+".rate", in.Rate, 0, leastRate, maxRate),
		Concurrency: int(t.some(at+".concurrency", in.Concurrency, 0, maxConcurrency)),
		Cost:        t.amount(at+".cost", in.Cost),
		Timeout:     t.copyTimeout(at+".timeout", in.Timeout),
		ByEvents:    in.By == byEvents,
	}
	if out.Share == 0 {
		t.fail(at+".share", quote(string(in.Share)), "a mirror of nothing", "give it a share above 0%")
	}
	if t.unrouted() {
		t.option(at+".by", in.By, byGateway, byRouter, byEvents)
	} else {
		t.option(at+".by", in.By, t.copier(), byEvents)
	}
	switch {
	case out.ByEvents:
		t.mirroredByOthers(path, s)
	case !t.own():
		t.mirroredByRouter(path)
	}
	// What a copy takes in tokens nobody counts: a bound on it would never hold.
	costs := func(v experiment.Version) bool { return v.Cost.PerRequest > 0 }
	if in.Cost != "" && t.clean("spec.versions") && !slices.ContainsFunc(t.plan.Versions[1:], costs) {
		t.fail(at+".cost", quote(string(in.Cost)), "no candidate has a cost per request, which is what copies are counted by", "add cost: {perRequest: …} to the candidates")
	}
	return out
}

// byEvents is the word for copies that others send.
const byEvents = "events"

// copier is who copies where nothing else is said.
func (t *translator) copier() string {
	if t.own() {
		return byGateway
	}
	return byRouter
}

// paired says whether the answers to a mirror's copies are compared: the serving
// stack's copies are only counted.
func (t *translator) paired(s v1alpha1.Stage) bool {
	return s.Mirror != nil && (t.own() || s.Mirror.By == byEvents)
}

// mirroredByRouter reports what can only be asked of who sends the copies.
func (t *translator) mirroredByRouter(path string) {
	for _, field := range []string{"rate", "concurrency"} {
		if at := path + ".mirror." + field; t.given(at) {
			t.fail(at, "", "the serving stack sends the copies, and Headgate cannot hold them back", "leave it out, and mirror a smaller share")
		}
	}
	if at := path + ".mirror.timeout"; t.given(at) {
		t.fail(at, "", "the serving stack sends the copies, and nobody waits for their answers", "leave it out")
	}
}

// unheard are the metrics of predictions that events tell nothing of.
var unheard = []experiment.PredictionKind{
	experiment.AbsentFeatures, experiment.NullFeatures, experiment.FailedExplanations, experiment.ExplanationTime,
}

// mirroredByOthers reports what the gateway cannot do with copies that it does
// not send, and what events do not tell.
func (t *translator) mirroredByOthers(path string, s v1alpha1.Stage) {
	for _, field := range []string{"rate", "concurrency", "cost"} {
		if at := path + ".mirror." + field; t.given(at) {
			t.fail(at, "", "others send the copies, and Headgate cannot hold them back", "leave it out, and bound it where the copies are made")
		}
	}
	if t.given(path + ".where") {
		t.fail(path+".where", "", "events do not tell which segment a request is of", "leave where out, and choose where the copies are made")
	}
	for i, o := range s.Require {
		at := fmt.Sprintf("%s.require[%d]", path, i)
		if len(o.Slices) > 0 {
			t.fail(at+".slices", "", "events do not tell which segment a request is of", "leave slices out, or let the gateway mirror")
		}
		if m := t.plan.Metric(o.Metric); m != nil && m.Pairs != nil && m.Pairs.Compare == experiment.CompareFailures {
			t.fail(at+".metric", quote(o.Metric), "events tell of answers that succeeded only", "compare what the answers say, or let the gateway mirror")
		} else if m != nil && m.Prediction != nil && slices.Contains(unheard, m.Prediction.Kind) {
			t.fail(at+".metric", quote(o.Metric), "events tell neither of requests nor of explanations", "limit what the answers say, or let the gateway mirror")
		}
	}
}

// copyTimeout reads how long a copy may take; 0 is the default.
func (t *translator) copyTimeout(path string, in v1alpha1.Duration) time.Duration {
	if in == "" {
		return 0
	}
	before := len(t.problems)
	d := t.duration(path, in, leastCopyTimeout, leastCopyTimeout)
	if d > mostCopyTimeout && len(t.problems) == before {
		t.fail(path, quote(string(in)), fmt.Sprintf("want at most %s", mostCopyTimeout), "")
	}
	return d
}

// pairsHold is how long after its end a window waits for pairs: a lag, and as
// long as a copy may take in any mirror.
func (t *translator) pairsHold() time.Duration {
	most := time.Duration(0)
	for _, s := range t.api.Spec.Stages {
		if !t.paired(s) {
			continue
		}
		d, err := parseDuration(string(s.Mirror.Timeout))
		if err != nil || d == 0 {
			d = experiment.DefaultCopyTimeout
		}
		most = max(most, min(d, mostCopyTimeout))
	}
	return t.plan.Lag + most
}
