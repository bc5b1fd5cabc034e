// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// middle is the median; 0 of none.
func middle[N cmp.Ordered](list []N) N {
	if len(list) == 0 {
		var zero N
		return zero
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// median is the median of what is measured of each round.
func median[N cmp.Ordered](rounds []round, of func(round) N) N { return middle(each(rounds, of)) }

func each[N any](rounds []round, of func(round) N) []N {
	out := make([]N, len(rounds))
	for i, r := range rounds {
		out[i] = of(r)
	}
	return out
}

// ratios are the ratios of processor time to that of another proxy, in pairs of
// the same turn.
func (p *proxy) ratios(to *proxy) []float64 {
	out := make([]float64, min(len(p.rounds), len(to.rounds)))
	for i := range out {
		out[i] = float64(p.rounds[i].cpu) / float64(to.rounds[i].cpu)
	}
	return out
}

// inTable is the order of the table.
var inTable = [...]string{nameNginx, nameHAProxy, nameCaddy, nameReverseProxy, nameBare, nameHeadgate}

// place is where a proxy stands in the table.
func (p *proxy) place() int { return slices.Index(inTable[:], p.name) }

func find(proxies []*proxy, name string) *proxy {
	return proxies[slices.IndexFunc(proxies, func(p *proxy) bool { return p.name == name })]
}

// report prints the tables.
func report(w io.Writer, about string, p plan, proxies []*proxy) {
	proxies = slices.Clone(proxies)
	slices.SortStableFunc(proxies, func(a, b *proxy) int { return cmp.Compare(a.place(), b.place()) })
	haproxy, caddy, ours := find(proxies, nameHAProxy), find(proxies, nameCaddy), find(proxies, nameHeadgate)
	print := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	print("%s\n", about)
	print("| proxy | requests/s | p50 | p99 | CPU per request | of HAProxy's | of Caddy's | p99 at %.0f %% of peak | RSS, %d connections | RSS, %d idle |\n", 100*p.partOfPeak, p.conns, p.idlers)
	print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, x := range proxies {
		print("| %s | %.0f | %s | %s | %.2f µs | %s | %s | %s | %s | %s |\n", x.name,
			median(x.rounds, func(r round) float64 { return r.rate }),
			millis(median(x.rounds, func(r round) time.Duration { return r.p50 })),
			millis(median(x.rounds, func(r round) time.Duration { return r.p99 })),
			float64(median(x.rounds, func(r round) time.Duration { return r.cpu }))/1e3,
			spread(x.ratios(haproxy)), spread(x.ratios(caddy)),
			millis(middle(x.paced)),
			mebi(slices.Max(each(x.rounds, func(r round) int64 { return r.rss }))), mebi(x.idle))
	}
	print("\nRatios are medians of %d pairs (least–most).\n\n", p.rounds)
	limit := max(middle(haproxy.paced)*3/2, middle(haproxy.paced)+300*time.Microsecond)
	for _, c := range []struct {
		what string
		got  float64
		most float64
		unit string
	}{
		{"CPU per request of HAProxy's (goal)", middle(ours.ratios(haproxy)), 1.35, "×"},
		{"CPU per request of Caddy's (requirement)", middle(ours.ratios(caddy)), 1. / 3, "×"},
		{"p99 at a part of the peak", middle(ours.paced).Seconds() * 1e3, limit.Seconds() * 1e3, " ms"},
		{"RSS with connections at work", float64(slices.Max(each(ours.rounds, func(r round) int64 { return r.rss }))) / (1 << 20), 64, " MiB"},
		{"RSS with idle connections", float64(ours.idle) / (1 << 20), 200, " MiB"},
	} {
		verdict := "met"
		if c.got > c.most {
			verdict = "MISSED"
		}
		print("- %s: %.3g%s, at most %.3g%s: %s\n", c.what, c.got, c.unit, c.most, c.unit, verdict)
	}
}

func spread(ratios []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", middle(ratios), slices.Min(ratios), slices.Max(ratios))
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }

func mebi(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// describe says when, where and with what.
func describe(ctx context.Context, p plan, pinned bool) string {
	var b strings.Builder
	how := "not pinned"
	if pinned {
		how = "proxy on one processor, wrk and backends on another"
	}
	fmt.Fprintf(&b, "%s, %s, %d processors (%s), %s, Linux %s; load before: %s.\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		lineOf("/proc/cpuinfo", "model name"), runtime.NumCPU(), how, lineOf("/proc/meminfo", "MemTotal"), first("/proc/sys/kernel/osrelease"), first("/proc/loadavg"))
	fmt.Fprintf(&b, "%d turns of %s, %d connections, 1 worker each. %s; %s; Caddy %s; gateway %s by %s.\n",
		p.rounds, p.each, p.conns, said(ctx, "nginx", "-v"), said(ctx, "haproxy", "-v"), said(ctx, "caddy", "version"),
		strings.TrimPrefix(said(ctx, absolute(p.gateway), "--version"), "headgate-gateway "), runtime.Version())
	return b.String()
}

// said is the first line that a program says of itself.
func said(ctx context.Context, name string, args ...string) string {
	out, _ := exec.CommandContext(ctx, name, args...).CombinedOutput() // Then it says so.
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(strings.TrimSpace(line), "nginx version: ")
}

func first(file string) string {
	text, _ := os.ReadFile(file) // Nothing is as good an answer.
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

func lineOf(file, name string) string {
	text, _ := os.ReadFile(file) // As above.
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
