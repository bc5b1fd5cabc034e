// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/load"
)

// loadFlags are the flags that are not options as they stand.
type loadFlags struct {
	headers                         []string
	data, lines                     string
	outcome, outcomesURL, token, to string
	output                          string
}

func loadCommand(s IO) *cobra.Command {
	var o load.Options
	var flags loadFlags
	var pairs pairFlags
	c := &cobra.Command{
		Use:   "load URL",
		Short: "send requests as independent users would, and count the answers by version",
		Long: `Sends requests to a URL at random times of a given rate, whatever the answers
do, so that a slow server cannot hide its slowness; without a rate as fast as
--concurrency allows. Counts answers by version, with exact intervals, and can
post outcomes for a part of them. It follows no redirect and reaches nothing but
the URL and the outcomes API.

The version is what the answer's X-Headgate-Version says; failing that, an
answer that is one short string stands for its version.

The exit code is 0 if anything was answered, whatever the status, and 1 if
nothing was.

With --pairs every body goes once to both URLs, and the answers are compared. The
exit code is then 1 if no pair was answered with a status of 2xx, and with limits (--require, or the
gates of the mirror stages in -f) 3 if one is broken, 4 if one is undecided.`,
		Example: `  headgate load -n 10 -H 'x-api-version: blue' http://127.0.0.1:8080/score
  headgate load --rate 200 --duration 1m -d @request.json http://127.0.0.1:8080/v2/models/m/infer
  headgate load --rate 50 --data-lines requests.jsonl --outcome 'purchase=12.5:30%@2s' \
      --outcomes-url http://127.0.0.1:9090 http://127.0.0.1:8080/rank
  headgate load --pairs http://127.0.0.1:8082/v2/models/m/infer --data-lines requests.jsonl \
      --require 'class>=0.95' http://127.0.0.1:8081/v2/models/m/infer`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("URL: want one, got %d (such as http://127.0.0.1:8080/score)", len(args))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.URL = args[0]
			switch asked, err := pairs.asked(c); {
			case err != nil:
				return err
			case asked:
				return pairs.run(c.Context(), s, o, &flags)
			}
			if err := flags.complete(&o); err != nil {
				return err
			}
			return runLoad(c.Context(), s, o, flags.output)
		},
	}
	defineLoadFlags(c, &o, &flags)
	pairs.define(c.Flags())
	return c
}

func defineLoadFlags(c *cobra.Command, o *load.Options, x *loadFlags) {
	f := c.Flags()
	f.Int64VarP(&o.N, "requests", "n", 0, "how many requests (default 100 if there is no --duration)")
	f.Float64Var(&o.Rate, "rate", 0, "requests per second on average; 0 is as fast as --concurrency allows")
	f.DurationVar(&o.Duration, "duration", 0, "for how long to send")
	f.IntVarP(&o.Concurrency, "concurrency", "c", 0, "the most requests under way (default 256, without --rate 16)")
	f.DurationVar(&o.Timeout, "timeout", load.DefaultTimeout, "the longest that one request may take")
	f.StringArrayVarP(&x.headers, "header", "H", nil, "a header, 'Name: value'; may be repeated")
	f.StringVarP(&o.Method, "method", "X", "", "the method (default GET, with data POST)")
	f.StringVarP(&x.data, "data", "d", "", "the body, or @FILE, or @- for standard input")
	f.StringVar(&x.lines, "data-lines", "", "a file of JSON lines, each the body of a request, in turn")
	f.BoolVar(&o.Draw, "data-draw", false, "take the lines at random instead of in turn")
	f.IntVar(&o.Units, "units", 1000, "how many distinct units send; 0 sends no unit")
	f.StringVar(&o.UnitHeader, "unit-header", load.DefaultUnitHeader, "the header that carries the unit")
	f.Uint64Var(&o.Seed, "seed", 1, "fixes units, lines, outcomes and intended times")
	x.outcomeFlags(f)
	f.StringVar(&o.VersionHeader, "version-header", "", "the header of answers that names the version (default "+load.DefaultVersionHeader+")")
	f.StringVar(&o.VersionJSON, "version-json", "", "the path in JSON answers that names the version, such as meta.model")
	f.StringVarP(&x.output, "output", "o", "text", "text or json")
}

// complete reads what the flags name into options.
func (x *loadFlags) complete(o *load.Options) error {
	var problems []error
	if x.output != "text" && x.output != "json" {
		problems = append(problems, usageError{fmt.Errorf("--output: unknown format %q (want text or json)", x.output)})
	}
	return errors.Join(append(problems, x.readHeaders(o), x.readOutcome(o), x.readBodies(o))...)
}

func (x *loadFlags) readHeaders(o *load.Options) error {
	var problems []error
	o.Header = make(http.Header)
	for _, h := range x.headers {
		name, value, err := load.ParseHeader(h)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		o.Header.Add(name, value)
	}
	return errors.Join(problems...)
}

func (x *loadFlags) readBodies(o *load.Options) error {
	switch {
	case x.data != "" && x.lines != "":
		return usageError{errors.New("--data-lines: stands beside --data (want one of them)")}
	case x.lines != "":
		f, err := os.Open(x.lines)
		if err != nil {
			return usageError{fmt.Errorf("--data-lines: %w", err)}
		}
		defer func() { _ = f.Close() }()
		o.Bodies, err = load.ReadLines("--data-lines", f)
		return err
	case x.data != "":
		body, err := readData(x.data)
		o.Bodies = [][]byte{body}
		return err
	}
	return nil
}

// readData reads a body as curl's --data-binary does.
func readData(s string) ([]byte, error) {
	name, isFile := strings.CutPrefix(s, "@")
	if !isFile {
		return []byte(s), nil
	}
	if name == "-" {
		return load.ReadBody("--data", os.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("--data: %w", err)}
	}
	defer func() { _ = f.Close() }()
	return load.ReadBody("--data", f)
}

func runLoad(ctx context.Context, s IO, o load.Options, output string) error {
	p := newLoadProgress(s)
	r, err := load.Run(ctx, o, p.show)
	p.close()
	if err != nil && !r.Partial {
		return err
	}
	if werr := writeLoad(s, r, output); werr != nil {
		return werr
	}
	if err == nil && r.Answered == 0 && r.Offered > 0 {
		return unanswered(r)
	}
	return err
}

func writeLoad(s IO, r load.Report, output string) error {
	text := func() string { return loadText(r) }
	return writeLoadReport(s, output, text, struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		load.Report
	}{cliVersion, "LoadReport", r})
}

// cliVersion is the version of what -o json prints.
const cliVersion = "cli.headgate.dev/v1"

func writeLoadReport(s IO, output string, text func() string, envelope any) error {
	var b bytes.Buffer
	if output == "json" {
		enc := json.NewEncoder(&b)
		enc.SetIndent("", "  ")
		if err := enc.Encode(envelope); err != nil {
			return experiment.Errorf(experiment.CodeInternal, "write the report: %w", err)
		}
	} else {
		b.WriteString(text())
	}
	if _, err := b.WriteTo(s.Out); err != nil {
		return experiment.Errorf(experiment.CodeInternal, "write the report: %w", err)
	}
	return nil
}

// unanswered is the error of a load that got nothing back.
func unanswered(r load.Report) error {
	f := r.Failures[0]
	err := experiment.Errorf(experiment.CodeUnavailable, "none of %s requests to %s was answered: %s, %s", thousands(r.Sent), r.URL, f.Kind, f.Example)
	return err.WithHint("%s", unansweredHint(f.Kind))
}

func unansweredHint(kind string) string {
	switch kind {
	case "refused", "unreachable", "dns":
		return "start the server first, or correct the URL"
	case "timeout":
		return "is the server stuck? --timeout sets how long to wait"
	case "tls":
		return "is the scheme of the URL right, and the certificate trusted?"
	}
	return "does the URL lead to an HTTP server? its log may say more"
}

// loadWidth is the widest line of a report.
const loadWidth = 100

// loadText is the report for people.
func loadText(r load.Report) string {
	var b strings.Builder
	line := func(head, format string, args ...any) { loadLine(&b, head, format, args...) }
	partial := ""
	if r.Partial {
		partial = "PARTIAL, interrupted: "
	}
	line("Load", "%s%s %s", partial, r.Method, r.URL)
	line("Sent", "%s", sentText(r))
	if r.Skipped > 0 {
		line("", "%s skipped at the cap of --concurrency", thousands(r.Skipped))
	}
	if r.Behind > 0 {
		line("", "%s left more than 10ms late", thousands(r.Behind))
	}
	answered := thousands(r.Answered)
	for _, x := range r.Statuses {
		answered += fmt.Sprintf("   %d ×%s", x.Code, thousands(x.Count))
	}
	line("Answered", "%s", answered)
	if r.Oversize > 0 {
		line("", "%s were not read past 16 MiB", thousands(r.Oversize))
	}
	for i, f := range r.Failures {
		line([]string{"Failed", ""}[min(i, 1)], "%s   %s: %s", thousands(f.Count), f.Kind, f.Example)
	}
	if l := r.Latency; l != nil {
		line("Latency", "%s   from the intended sending", quantilesText(*l))
		if f := r.FromSent; l.P99 > 1.05*f.P99 && l.P99 > f.P99+0.001 || l.Max > f.Max+0.01 {
			line("", "%s   from the actual sending", quantilesText(*f))
		}
	}
	if x := r.Outcomes; x != nil {
		line("Outcomes", "%s due: %s accepted, %s duplicate, %s late, %s unmatched, %s failed", thousands(x.Due),
			thousands(x.Accepted), thousands(x.Duplicates), thousands(x.Late), thousands(x.Unmatched), thousands(x.Failed))
		if x.Unexposed+x.Dropped > 0 {
			line("", "%s answers without exposure token, %s never posted", thousands(x.Unexposed), thousands(x.Dropped))
		}
		if x.Example != "" {
			line("", "first failure: %s", x.Example)
		}
	}
	if m := r.Machine; m.Busy {
		line("Machine", "busy: work waited %s for a processor (p99), requests left up to %s late;", seconds(&m.SchedulingP99), seconds(&m.MaxLag))
		line("", "part of the latency is this machine's own")
	}
	if len(r.Versions) > 0 {
		b.WriteString("\n" + loadVersions(r))
	}
	if len(r.Histogram) > 0 {
		b.WriteString("\n" + loadHistogram(r))
	}
	return b.String()
}

func loadLine(b *strings.Builder, head, format string, args ...any) {
	text := clip(fmt.Sprintf("%-10s ", head)+fmt.Sprintf(format, args...), loadWidth, false)
	b.WriteString(strings.TrimRight(text, " ") + "\n")
}

func sentText(r load.Report) string {
	text := thousands(r.Sent)
	if r.Planned > 0 && r.Sent != r.Planned {
		text += " of " + thousands(r.Planned)
	}
	if r.Asked > 0 {
		return text + fmt.Sprintf(" in %s, %s/s (asked for %s/s)", seconds(&r.Sending), rateText(r.Rate), rateText(r.Asked))
	}
	return text + fmt.Sprintf(" in %s, %s/s", seconds(&r.Elapsed), rateText(r.Rate))
}

func rateText(f float64) string {
	if f >= 100 {
		return thousands(int64(math.Round(f)))
	}
	return fmt.Sprintf("%.3g", f)
}

func quantilesText(q load.Quantiles) string {
	return fmt.Sprintf("p50 %s   p95 %s   p99 %s   max %s", seconds(&q.P50), seconds(&q.P95), seconds(&q.P99), seconds(&q.Max))
}

// loadVersions is the table of versions: names to the left, as wide as the
// numbers let them be.
func loadVersions(r load.Report) string {
	rows := [][]string{{"ANSWERS", "UNITS", "SHARE [95% CI]", "ERRORS", "P50", "P95", "P99", "MAX"}}
	names, text := []string{"VERSION"}, false
	for _, v := range r.Versions {
		name, units := v.Name, "-"
		switch {
		case v.From == "other":
			name = "(others)"
		case name == "":
			name = "-"
		}
		if r.UnitsSeen > 0 {
			units = thousands(v.Units)
		}
		names, text = append(names, name), text || v.From == "text"
		share := fmt.Sprintf("%.1f%% [%.1f, %.1f]", 100*v.Share.Value, 100*v.Share.Low, 100*v.Share.High)
		l := v.Latency
		rows = append(rows, []string{thousands(v.Answers), units, share, thousands(v.Errors), seconds(&l.P50), seconds(&l.P95), seconds(&l.P99), seconds(&l.Max)})
	}
	lines := strings.Split(strings.TrimSuffix(table(rows), "\n"), "\n")
	room, width := max(12, loadWidth-utf8.RuneCountInString(lines[0])), 0
	for i := range names {
		names[i] = clip(names[i], room, false)
		width = max(width, utf8.RuneCountInString(names[i]))
	}
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "%-*s%s\n", width, names[i], clip(l, loadWidth-width, false))
	}
	fmt.Fprintf(&b, "Shares and their intervals count %s.", r.Versions[0].Share.Of)
	if r.UnitsMoved > 0 {
		fmt.Fprintf(&b, " %s of %s units were answered by several versions.", thousands(r.UnitsMoved), thousands(r.UnitsSeen))
	}
	if text {
		b.WriteString("\nVersions go by the text of the answer, where no header names one.")
	}
	return b.String() + "\n"
}

// loadHistogram draws the latencies, each bar relative to the longest.
func loadHistogram(r load.Report) string {
	const rows, columns = 18, 40
	buckets := r.Coarse(rows)
	most := int64(1)
	for _, x := range buckets {
		most = max(most, x.Count)
	}
	edge := func(f float64) string { return time.Duration(f * 1e9).Round(time.Microsecond).String() }
	var b strings.Builder
	b.WriteString("LATENCY\n")
	for _, x := range buckets {
		high := edge(x.High)
		if x.High == 0 {
			high = "…"
		}
		fmt.Fprintf(&b, "%6s to %-6s %s %11s %5.1f%%\n", edge(x.Low), high, bar(float64(x.Count)/float64(most), columns), thousands(x.Count), 100*float64(x.Count)/float64(r.Answered))
	}
	return b.String()
}
