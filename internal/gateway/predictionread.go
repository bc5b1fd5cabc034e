// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"sync/atomic"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
	"github.com/headgate-dev/headgate/stats"
)

// digestsOf appends the values of digests in an answer's head. Versions have few,
// so that the last value of each is at hand: last makes that nothing is copied
// for most answers.
func digestsOf(out []string, names []string, last []atomic.Pointer[string], head headers) []string {
	for i, name := range names {
		value := head.header(name)
		if len(value) > maxDigest {
			value = value[:maxDigest]
		}
		if value == "" {
			value = noDigest
		}
		if known := last[i].Load(); known != nil && *known == value {
			out = append(out, *known)
			continue
		}
		short := strings.Clone(shortened(head.header(name), maxDigest))
		if short == "" {
			short = noDigest
		}
		last[i].Store(&short)
		out = append(out, short)
	}
	return out
}

// unkept is what an answer is whose body is not kept because of its head: one
// without a body predicts nothing, a text is not what any protocol says, and of
// what else it may be nobody can tell.
func unkept(length int64, contentType string) prediction.Found {
	switch {
	case length == 0:
		return prediction.Empty
	case strings.HasPrefix(contentType, "text/") && !isEvents(contentType):
		return prediction.Invalid
	default:
		return prediction.Unread
	}
}

// readPrediction reads what an answer's body predicts.
func (h *hearing) readPrediction(body []byte, value any, isJSON bool) {
	if h.events {
		value, isJSON = joined(body, h.redactor.Apply)
		value = h.redactor.Apply(value)
	}
	if !isJSON {
		h.reading.Found = prediction.Invalid
		if len(body) == 0 {
			h.reading.Found = prediction.Empty
		}
		return
	}
	if h.question.request == 0 && h.predictions.Rows && !h.copied {
		h.question.request = h.reader.idIn(metaOf(value))
	}
	ctx, cancel := h.reader.evaluating()
	defer cancel()
	h.reading = h.predictions.reader.Read(ctx, value, h.question.path)
	if h.reading.Found == prediction.Unread && ctx.Err() != nil {
		h.stopped = findingSlow
		if h.reader.life.Err() != nil {
			h.stopped = findingDropped
		}
	}
}

// metaOf are the ids that an answer's body gives its request: Seldon's.
func metaOf(value any) headers {
	object, _ := value.(map[string]any)
	meta, _ := object["meta"].(map[string]any)
	puid, _ := meta["puid"].(string)
	return onlyPuid(puid)
}

type onlyPuid string

func (p onlyPuid) header(name string) string {
	if name == headerPuid {
		return string(p)
	}
	return ""
}

// readFeatures looks for the declared features in the request.
func (h *hearing) readFeatures() {
	body, whole := h.question.body.bytes()
	if !whole {
		return
	}
	value, err := prediction.Decode(body)
	if err != nil {
		return
	}
	h.absent, h.null = h.predictions.reader.Features(h.redactor.Apply(value), h.question.path)
	h.sawFeatures = true
}

// result is what came of an answer, for people to look at.
func (h *hearing) result() finding {
	switch {
	case h.found != findingRead && h.reading.Found == prediction.Unread:
		return h.found
	case h.stopped != findingRead:
		return h.stopped
	case h.reading.Found == prediction.Unread:
		return findingUnfit
	}
	return findingRead
}

// recordPrediction counts what an answer says.
func (h *hearing) recordPrediction() {
	s := telling{digests: h.digests}
	if h.question == nil {
		if len(s.digests) > 0 {
			h.said(&s)
		}
		return
	}
	for i, a := range h.predictions.Metrics {
		if t, ok := h.tell(a.Kind); ok {
			t.metric = i
			s.tells = append(s.tells, t)
		}
	}
	sum := h.lay(&s)
	kept := h.said(&s)
	if h.predictions.reads {
		h.count(&s, sum, kept)
	}
	if h.predictions.Rows && h.reading.Found == prediction.Read {
		h.handOut()
	}
}

// said counts what an answer says; false is that it came too late.
func (h *hearing) said(s *telling) bool {
	if h.shifts.IsZero() {
		return h.log.addSaid(h.window, h.version, h.groups, s)
	}
	return h.log.addCopied(h.window, h.shifts, h.version, h.groups, s)
}

// tell is what the answer says to a metric; false if nothing.
func (h *hearing) tell(kind experiment.PredictionKind) (tell, bool) {
	found := h.reading.Found
	switch kind {
	case experiment.InvalidOutput:
		return tell{hit: found == prediction.Invalid}, found != prediction.Unread
	case experiment.EmptyOutput:
		return tell{hit: found == prediction.Empty}, found != prediction.Unread
	case experiment.NullOutput:
		return tell{hit: found == prediction.Null}, found != prediction.Unread
	case experiment.AbsentFeatures:
		return tell{hit: h.absent}, h.sawFeatures
	case experiment.NullFeatures:
		return tell{hit: h.null}, h.sawFeatures
	case experiment.OutputSize:
		return tell{mean: true, valued: true, value: float64(h.size)}, true
	case experiment.MeanScore:
		value, ok := meanScore(&h.reading)
		return tell{mean: true, valued: ok, value: value}, true
	default:
		return tell{}, false // Explanations are counted as they end.
	}
}

// meanScore is the mean of an answer's scores; false if there is none.
func meanScore(r *prediction.Reading) (mean float64, ok bool) {
	n := 0.0
	for i := range r.All {
		if r.All[i].HasScore {
			n++
			mean += (r.All[i].Score - mean) / n
		}
	}
	return mean, n > 0
}

// lay lays out the classes and scores of all predictions of the answer, and
// gives the sum of the scores.
func (h *hearing) lay(s *telling) (sum float64) {
	if len(h.reading.All) == 0 {
		return 0
	}
	names := make(map[string]int64)
	for i := range h.reading.All {
		row := &h.reading.All[i]
		if row.Class != "" {
			addName(&names, shortened(row.Class, experiment.MaxClass), 1, stats.MaxCategories)
		}
		if row.HasScore {
			s.scores.Add(row.Score, false)
			sum += row.Score
		}
	}
	s.classes = stats.CategoriesOf(names)
	return sum
}

// handOut hands the answer's first prediction out as a row.
func (h *hearing) handOut() {
	if h.reader.predicted == nil {
		return
	}
	row := experiment.Prediction{
		Exposure: h.question.exposure, Groups: h.groups, Request: h.question.request,
		Class: shortened(h.reading.Class, experiment.MaxClass), Mirrored: h.copied,
	}
	if h.reading.HasScore {
		score := h.reading.Score
		row.Score = &score
	}
	if !h.reader.predicted(&row) {
		h.reader.rowsDropped.Inc()
	}
}
