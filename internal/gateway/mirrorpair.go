// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/compare"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// begun implements task.
func (c *shadowCopy) begun() time.Time { return c.since }

// do implements task: the two answers are compared.
func (c *shadowCopy) do(late bool) {
	var compared []experiment.Compared
	ok := false
	if !late {
		compared, ok = c.compare()
	}
	c.predicts(late)
	if ok {
		c.deliver(compared)
		return
	}
	c.shadow.metrics.pairs[pairDropped].Inc()
	c.release()
}

// deliver hands the pair on. Nil is that the copy failed: it makes no pair, but
// is to be told.
func (c *shadowCopy) deliver(compared []experiment.Compared) {
	p := c.original.pair
	p.Version, p.Failed, p.Compared = c.shadow.index, compared == nil, compared
	result := pairCompared
	if p.Failed {
		result = pairFailed
	}
	if !c.original.mirror.shadows.paired(&p) {
		result = pairUntaken
	}
	c.shadow.metrics.pairs[result].Inc()
	c.release()
}

// compare compares the answers; false is that it could not be done.
func (c *shadowCopy) compare() (out []experiment.Compared, ok bool) {
	defer func() {
		// What an answer makes of an expression's interpreter must not break
		// the gateway.
		if recover() != nil {
			out, ok = nil, false
		}
	}()
	o := c.original
	m := o.mirror
	ctx, cancel := m.shadows.comparers.evaluating()
	defer cancel()
	path, _, _ := strings.Cut(o.target, "?")
	baseline, candidate := m.read(&o.answer, path), m.read(&c.answer, path)
	c.puid = m.shadows.answers.idIn(metaOf(baseline.Value))
	out = m.compare.Compare(ctx, &baseline, &candidate)
	if out == nil {
		out = []experiment.Compared{} // It is a pair even where no metric wants it.
	}
	return out, m.shadows.comparers.life.Err() == nil
}

// read gives an answer as it is compared, without what is redacted. Of what
// cannot be read nothing is said; where something is to be redacted, nothing is
// said of what is no JSON either.
func (m *mirror) read(s *reply, path string) compare.Answer {
	a := compare.Answer{Status: s.status, Failed: s.failed, Took: s.took, Path: path}
	if s.coded {
		return a
	}
	body, found := unpack(s.body, s.packed)
	if found != findingRead {
		return a
	}
	value, err := prediction.Decode(body)
	switch {
	case err == nil && m.redacts:
		a.Value = m.redactor.Apply(value)
		if a.Text, err = json.Marshal(a.Value); err != nil { // What was decoded can be encoded.
			a.Text = nil
		}
	case err == nil:
		a.Value, a.Text = value, body
	case !m.redacts:
		a.Text = body
	}
	if a.Text == nil && len(body) == 0 {
		a.Text = []byte{}
	}
	return a
}
