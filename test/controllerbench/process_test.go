// SPDX-License-Identifier: Apache-2.0

package controllerbench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/test/servers"
)

// process is the controller that is measured.
type process struct {
	cmd     *exec.Cmd
	address string
}

// cpu is how many seconds of processor time it has used.
func (p *process) cpu(t *testing.T) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const ticks = 100 // A second, on every Linux that Go runs on.
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticks
}

// memory is what /proc says of it, in MiB.
func (p *process) memory(t *testing.T) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64); err == nil {
			out[name] = kib / 1024
		}
	}
	return out
}

// metrics are its own figures, by name and labels.
func (p *process) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for lines := bufio.NewScanner(&body); lines.Scan(); {
		i := strings.LastIndexByte(lines.Text(), ' ')
		if value, err := strconv.ParseFloat(lines.Text()[i+1:], 64); err == nil {
			out[lines.Text()[:max(i, 0)]] = value
		}
	}
	return out
}

// sum adds the series of a metric.
func sum(metrics map[string]float64, name string) float64 {
	total := 0.
	for series, v := range metrics {
		if series == name || strings.HasPrefix(series, name+"{") {
			total += v
		}
	}
	return total
}

// spread is how late ticks were: the upper bound of the 99th percentile's
// bucket.
type spread struct {
	count float64
	p99   time.Duration
}

func lateness(before, after map[string]float64) spread {
	const name = `headgate_tick_lateness_seconds_bucket{le="`
	upTo := map[float64]float64{}
	for series, v := range after {
		if text, ok := strings.CutPrefix(series, name); ok {
			if le, err := strconv.ParseFloat(strings.TrimSuffix(text, `"}`), 64); err == nil {
				upTo[le] = v - before[series]
			}
		}
	}
	out := spread{count: upTo[math.Inf(1)], p99: time.Hour}
	var bounds []float64
	for le := range upTo {
		bounds = append(bounds, le)
	}
	slices.Sort(bounds)
	for _, le := range bounds {
		if upTo[le] >= .99*out.count && !math.IsInf(le, 1) {
			out.p99 = time.Duration(le * float64(time.Second))
			break
		}
	}
	return out
}

// changed counts the changes of a kind's objects.
type changed struct{ n atomic.Int64 }

// follow counts until the test ends.
func follow(t *testing.T, c *servers.Cluster, kind schema.GroupVersionKind) *changed {
	t.Helper()
	watching, err := client.NewWithWatch(c.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := watching.Watch(ctx, list, client.InNamespace(namespace))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	out, ended := &changed{}, make(chan struct{})
	go func() {
		defer close(ended)
		for e := range w.ResultChan() {
			if e.Type == watch.Modified {
				out.n.Add(1)
			}
		}
		if ctx.Err() == nil {
			t.Errorf("the watch of %s broke: changes were missed", kind.Kind)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return out
}
