// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/backfill"
)

// write prints the report.
func (x *outcomesFlags) write(s IO, r backfill.Report, partial bool) error {
	elapsed := time.Since(x.began)
	if x.output.value == "json" {
		_, err := x.output.write(s.Out, struct {
			APIVersion string  `json:"apiVersion"`
			Kind       string  `json:"kind"`
			Source     string  `json:"source"`
			DryRun     bool    `json:"dryRun"`
			Partial    bool    `json:"partial"`
			Elapsed    float64 `json:"elapsed"`
			backfill.Report
		}{cliVersion, "OutcomesReport", x.source, x.dryRun, partial, elapsed.Seconds(), r})
		return err
	}
	_, err := io.WriteString(s.Out, outcomesText(r, x.source, x.dryRun, partial, elapsed))
	return err
}

func outcomesText(r backfill.Report, source string, dryRun, partial bool, elapsed time.Duration) string {
	var b strings.Builder
	line := func(head, format string, args ...any) { loadLine(&b, head, format, args...) }
	begin := ""
	if partial {
		begin = "PARTIAL: "
	}
	took := elapsed.Seconds()
	line("Rows", "%s%s of %s in %s, %s skipped as bad", begin, thousands(r.Rows), source, seconds(&took), thousands(r.Skipped))
	if dryRun {
		line("Sent", "none: --dry-run")
		return b.String()
	}
	line("Sent", "%s in %s", thousands(r.Sent), counted(r.Batches, "batch", "batches"))
	line("Accepted", "%s", thousands(r.Accepted))
	line("Duplicate", "%s   known by their keys, or labelled before", thousands(r.Duplicates))
	line("Late", "%s   their windows are sealed", thousands(r.Late))
	line("Unmatched", "%s   no exposure, prediction or metric for them", thousands(r.Unmatched))
	if r.Since != "" {
		line("Since", "%s   remembered for the next time", r.Since)
	}
	return b.String()
}

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// outcomesProgress tells on stderr how far a sending is.
type outcomesProgress struct {
	*loadProgress
	began, told time.Time
}

// progressEvery is how often a line is told where it cannot be redrawn.
const progressEvery = 10 * time.Second

func newOutcomesProgress(s IO, began time.Time) *outcomesProgress {
	return &outcomesProgress{newLoadProgress(s), began, began}
}

func (p *outcomesProgress) show(r backfill.Report) {
	now := time.Now()
	line := func() string {
		return fmt.Sprintf("%s rows, %s accepted, %s duplicate, %s unmatched, %.0f/s", thousands(r.Rows), thousands(r.Accepted),
			thousands(r.Duplicates), thousands(r.Unmatched), float64(r.Rows)/max(now.Sub(p.began).Seconds(), 1e-3))
	}
	p.tell(line, func() bool {
		due := now.Sub(p.told) >= progressEvery
		if due {
			p.told = now
		}
		return due
	})
}
