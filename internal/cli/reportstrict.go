// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/view"
)

// iterationLine says how far a strict experiment is.
func iterationLine(i *view.Iteration) string {
	text := fmt.Sprintf("ITERATION  %d of %d", i.Done, i.Of)
	switch {
	case i.Failed != "":
		text += ", failed: " + i.Failed
	case i.Done == 0:
	case i.Winner != "":
		text += fmt.Sprintf(", winner %s", i.Winner)
	default:
		text += fmt.Sprintf(", no winner: %s is recommended", i.Recommended)
	}
	if i.Next != nil {
		text += ", the next at " + i.Next.Local().Format(time.TimeOnly)
	}
	return text
}

// pointsTable is what the newest iteration read.
func pointsTable(v view.Experiment) string {
	if v.Iteration == nil {
		return ""
	}
	head := []string{"METRIC", "ROLE", "LIMIT"}
	for _, x := range v.Versions {
		head = append(head, strings.ToUpper(x.Name))
	}
	rows := [][]string{head}
	for _, r := range v.Iteration.Readings {
		row := []string{r.Metric, orDash(r.Role), orDash(r.Limit)}
		for i, value := range r.Values {
			row = append(row, point(value, r, i))
		}
		rows = append(rows, row)
	}
	text := iterationLine(v.Iteration) + "\n"
	if len(rows) > 1 {
		text += table(rows)
	}
	return text
}

// point is one value, with whether it is within its limit.
func point(value *float64, r view.PointRow, version int) string {
	text := "no number"
	if value != nil {
		text = strconv.FormatFloat(*value, 'g', 5, 64)
	}
	if version < len(r.Satisfied) {
		if r.Satisfied[version] {
			return text + " ok"
		}
		return text + " not met"
	}
	return text
}

// actionLines lists what is to be done besides routing, and what failed.
func actionLines(v view.Experiment) string {
	if len(v.Actions) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("ACTIONS\n")
	for _, a := range v.Actions {
		status := a.Status
		if a.Ignored {
			status += ", ignored"
		}
		fmt.Fprintf(&b, "  %s (%s) %s", a.Name, a.Kind, status)
		if a.Why != "" {
			fmt.Fprintf(&b, ": %s", a.Why)
		}
		b.WriteString("\n")
	}
	return b.String()
}
