// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// Forest is one question about a candidate, of everybody and of each slice, on
// one axis: a difference to the baseline, or a metric against its limit.
type Forest struct {
	Version string `json:"version"`
	Metric  string `json:"metric"`
	Role    string `json:"role"`
	// Question is that of everybody; Basis what all rows are made of.
	Question string         `json:"question"`
	Basis    string         `json:"basis"`
	Unit     string         `json:"unit,omitempty"`
	Rows     []view.Finding `json:"rows"`
	// From and To are the ends of the axis; that of a difference has zero in
	// its middle.
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Found is all that was found: what holds now, and the gates that were passed.
func (r *Report) Found() []view.Finding { return slices.Concat(r.View.Findings, r.Gates) }

// forestsOf groups findings by candidate and question, in their order. A limit
// is drawn where it is held by group or on pairs: the table says the rest.
func forestsOf(findings []view.Finding) []Forest {
	var out []Forest
	for _, f := range findings {
		question := wholeQuestion(&f)
		i := slices.IndexFunc(out, func(o Forest) bool {
			return o.Version == f.Version && o.Role == f.Role && o.Question == question
		})
		if i < 0 {
			i = len(out)
			out = append(out, Forest{Version: f.Version, Metric: f.Metric, Role: f.Role, Question: question, Basis: f.Basis, Unit: f.Unit})
		}
		out[i].Rows = append(out[i].Rows, f)
	}
	out = slices.DeleteFunc(out, func(f Forest) bool { return f.IsLimit() && !f.Paired() && len(f.Rows) == 1 })
	for i := range out {
		out[i].scale()
	}
	return out
}

// wholeQuestion is a finding's question without its slice.
func wholeQuestion(f *view.Finding) string {
	if f.Slice == "" {
		return f.Question
	}
	return strings.Replace(f.Question, " in "+f.Slice, "", 1)
}

// IsLimit says that rows are values against a limit, not differences.
func (f *Forest) IsLimit() bool { return f.Rows[0].IsLimit() }

// Paired says that rows come from answers of two versions to the same requests.
func (f *Forest) Paired() bool { return f.Basis == string(experiment.BasisPairs) }

// scale chooses the axis.
func (f *Forest) scale() {
	if !f.IsLimit() {
		f.To = reachOf(f.Rows)
		f.From = -f.To
		return
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range f.Rows {
		for _, x := range []*float64{r.Limit, r.Estimate} {
			if x != nil {
				low, high = min(low, *x), max(high, *x)
			}
		}
		if r.Interval != nil {
			low, high = min(low, r.Interval.Low), max(high, r.Interval.High)
		}
	}
	if math.IsInf(low, 0) || math.IsNaN(high-low) {
		low, high = 0, 1
	}
	if high-low < 1e-9 { // Nothing but the limit is known.
		room := max(0.1, math.Abs(low)) / 2
		low, high = low-room, high+room
	}
	step := niceAbove((high - low) / 4)
	f.From, f.To = step*math.Floor(low/step-0.1), step*math.Ceil(high/step+0.1)
	if f.Unit == "" {
		f.From, f.To = max(0, f.From), min(1, f.To)
	}
}

// reachOf is a round number that holds every interval and margin.
func reachOf(rows []view.Finding) float64 {
	most := 0.0
	for _, f := range rows {
		if f.Interval != nil {
			most = max(most, math.Abs(f.Interval.Low), math.Abs(f.Interval.High))
		}
		if f.Limit != nil {
			most = max(most, 1.2*math.Abs(*f.Limit))
		}
	}
	if most <= 0 || math.IsInf(most, 0) || math.IsNaN(most) {
		return 0.1
	}
	return niceAbove(most)
}

// niceAbove is the least 1, 2 or 5 times a power of ten that is not below x.
func niceAbove(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x {
			return m * power
		}
	}
	return 10 * power
}

// The forest's axis, in the units of its drawing.
const (
	forestLeft, forestWidth = 190, 380
	rowHeight               = 30
)

// part is where a value stands on the axis, 0 to 1.
func (f *Forest) part(x float64) float64 { return max(0, min(1, (x-f.From)/(f.To-f.From))) }

// At is where a value stands on the drawing's axis.
func (f *Forest) At(x float64) float64 { return round(forestLeft + forestWidth*f.part(x)) }

// Top is the upper end of a row.
func (f *Forest) Top(row int) float64 { return float64(row)*rowHeight + 5 }

// Y is the middle of a row.
func (f *Forest) Y(row int) float64 { return float64(row)*rowHeight + 20 }

// End is the lower end of a row.
func (f *Forest) End(row int) float64 { return f.Top(row) + rowHeight }

// Height is that of the whole drawing.
func (f *Forest) Height() int { return len(f.Rows)*rowHeight + 36 }

// Bottom is where the axis stands.
func (f *Forest) Bottom() int { return len(f.Rows)*rowHeight + 6 }

// Margin is the margin of a comparison, 0 where there is none.
func (f *Forest) Margin() float64 {
	for _, r := range f.Rows {
		if r.Limit != nil && !f.IsLimit() {
			return math.Abs(*r.Limit)
		}
	}
	return 0
}

// Mark is a labelled place on the axis.
type Mark struct {
	X    float64
	Text string
}

// Marks are those of the axis: both ends, and between them zero or, if there is
// room for its text, the limit.
func (f *Forest) Marks() []Mark {
	at := []float64{f.From, f.To}
	if !f.IsLimit() {
		at = []float64{f.From, 0, f.To}
	} else if l := f.Rows[0].Limit; l != nil && math.Abs(f.part(*l)-0.5) < 0.35 {
		at = []float64{f.From, *l, f.To}
	}
	out := make([]Mark, len(at))
	for i, x := range at {
		out[i] = Mark{X: f.At(x), Text: f.axisText(x)}
	}
	return out
}

// axisText is short: an axis has no need of digits.
func (f *Forest) axisText(x float64) string {
	switch {
	case x == 0 && !f.IsLimit():
		return "0"
	case f.IsLimit() && f.Unit == "":
		return percent(x)
	case f.IsLimit():
		return plain(x) + after(f.Unit)
	case f.Unit != "":
		return signed(x) + after(f.Unit)
	}
	text := signed(100 * x)
	if x > 0 {
		text += " points"
	}
	return text
}

// Label names a row: everybody, or the slice.
func Label(f view.Finding) string {
	if f.Slice == "" {
		return "everybody"
	}
	return f.Slice
}

// Tone is the class that a status is drawn with; words say the same.
func Tone(status string) string {
	switch experiment.Status(status) {
	case experiment.Better, experiment.NotWorse, experiment.Met:
		return "good"
	case experiment.Worse, experiment.Violated:
		return "bad"
	case experiment.Untrustworthy:
		return "warn"
	}
	return "neutral"
}

// textColumns is the width of a forest's axis in text.
const textColumns = 41

// Whisker draws a row in text: zero or the limit as a line across, the interval
// as one along.
func (f *Forest) Whisker(r view.Finding) string {
	row := []rune(strings.Repeat(" ", textColumns))
	at := func(x float64) int { return int(math.Round(f.part(x) * (textColumns - 1))) }
	if r.Interval != nil {
		a, b := at(r.Interval.Low), at(r.Interval.High)
		for i := a; i <= b; i++ {
			row[i] = '─'
		}
		row[a], row[b] = '├', '┤'
	}
	switch {
	case !f.IsLimit():
		row[at(0)] = '┊'
	case r.Limit != nil:
		row[at(*r.Limit)] = '║'
	}
	if r.Estimate != nil {
		row[at(*r.Estimate)] = '●'
	}
	return string(row)
}
