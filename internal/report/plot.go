// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/view"
)

// Forest is the difference of one candidate to the baseline in one metric, of
// everybody and of each slice, on one axis.
type Forest struct {
	Version string         `json:"version"`
	Metric  string         `json:"metric"`
	Role    string         `json:"role"`
	Rows    []view.Finding `json:"rows"`
	// Reach is half of the axis, which has zero in the middle.
	Reach float64 `json:"reach"`
}

// forestsOf groups comparisons by version, role and metric, in the order of the
// findings.
func forestsOf(v *view.Experiment) []Forest {
	var out []Forest
	for _, f := range v.Findings {
		if f.IsLimit() {
			continue
		}
		i := len(out) - 1
		for i >= 0 && (out[i].Version != f.Version || out[i].Metric != f.Metric || out[i].Role != f.Role) {
			i--
		}
		if i < 0 {
			out = append(out, Forest{Version: f.Version, Metric: f.Metric, Role: f.Role})
			i = len(out) - 1
		}
		out[i].Rows = append(out[i].Rows, f)
	}
	for i := range out {
		out[i].Reach = reachOf(out[i].Rows)
	}
	return out
}

// reachOf is the least 1, 2 or 5 times a power of ten that holds every interval
// and margin.
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
	power := math.Pow(10, math.Floor(math.Log10(most)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= most {
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

// At is where a difference stands on the drawing's axis.
func (f *Forest) At(x float64) float64 {
	return round(forestLeft + forestWidth*(1+max(-1, min(1, x/f.Reach)))/2)
}

// Y is the middle of a row.
func (f *Forest) Y(row int) float64 { return float64(row)*rowHeight + 20 }

// Height is that of the whole drawing.
func (f *Forest) Height() int { return len(f.Rows)*rowHeight + 36 }

// Bottom is where the axis stands.
func (f *Forest) Bottom() int { return len(f.Rows)*rowHeight + 6 }

// Margin is the limit of the comparison, 0 where there is none.
func (f *Forest) Margin() float64 {
	for _, r := range f.Rows {
		if r.Limit != nil {
			return math.Abs(*r.Limit)
		}
	}
	return 0
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

// Whisker draws a row in text: zero in the middle, the interval as a line.
func (f *Forest) Whisker(r view.Finding) string {
	row := []rune(strings.Repeat(" ", textColumns))
	at := func(x float64) int {
		return int(math.Round((max(-1, min(1, x/f.Reach)) + 1) / 2 * (textColumns - 1)))
	}
	if r.Interval != nil {
		a, b := at(r.Interval.Low), at(r.Interval.High)
		for i := a; i <= b; i++ {
			row[i] = '─'
		}
		row[a], row[b] = '├', '┤'
	}
	row[at(0)] = '┊'
	if r.Estimate != nil {
		row[at(*r.Estimate)] = '●'
	}
	return string(row)
}

// The shares' drawing.
const (
	courseLeft, courseWidth = 46, 640
	courseTop, courseHeight = 10, 120
)

// Line is one version's share over time, as the points of a drawing.
type Line struct {
	Version string
	Index   int
	Points  string
}

// Course draws the shares over time as steps, a line for each version.
func (r *Report) Course() []Line {
	if len(r.Shares) == 0 {
		return nil
	}
	start, end := r.Shares[0].At, r.Journal.Last
	if !end.After(start) {
		end = start.Add(time.Second)
	}
	x := func(t time.Time) float64 {
		return round(courseLeft + courseWidth*float64(t.Sub(start))/float64(end.Sub(start)))
	}
	var out []Line
	for v := range r.Versions {
		var b strings.Builder
		for i, p := range r.Shares {
			if v >= len(p.Shares) {
				continue
			}
			until := end
			if i+1 < len(r.Shares) {
				until = r.Shares[i+1].At
			}
			y := trimmed(courseTop+courseHeight*(1-p.Shares[v]), 1)
			b.WriteString(trimmed(x(p.At), 1) + "," + y + " " + trimmed(x(until), 1) + "," + y + " ")
		}
		out = append(out, Line{Version: r.Versions[v].Name, Index: v, Points: strings.TrimSpace(b.String())})
	}
	return out
}

func round(x float64) float64 { return math.Round(10*x) / 10 }
