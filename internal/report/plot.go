// SPDX-License-Identifier: Apache-2.0

package report

import (
	"math"
	"strings"
	"time"
)

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
