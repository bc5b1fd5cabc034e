// SPDX-License-Identifier: Apache-2.0

package controllerbench

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headgate-dev/headgate/internal/app/controller"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/test/servers"
)

const (
	namespace = "search"
	// child tells the test binary to be the controller, profiled to a file that
	// it names.
	child = "HEADGATE_BENCH_CHILD"
)

// The targets.
const (
	maxCores    = .5
	maxMiB      = 300
	maxWrites   = 1.05 // Of statuses and of records, per experiment and minute.
	maxLateness = 2 * time.Second
)

var (
	experimentKind = schema.GroupVersionKind{Group: "headgate.dev", Version: "v1alpha1", Kind: "Experiment"}
	recordKind     = schema.GroupVersionKind{Group: "headgate.dev", Version: "v1alpha1", Kind: "ExperimentRecord"}
	routeKind      = schema.GroupVersionKind{Group: "networking.istio.io", Version: "v1", Kind: "VirtualService"}
)

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve is the controller's process: what `headgate controller` runs, and a
// profile of it.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("HEADGATE_BENCH_KUBECONFIG"))
	if err != nil {
		return err
	}
	qps, err := strconv.ParseFloat(os.Getenv("HEADGATE_BENCH_QPS"), 32)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = float32(qps), int(2*qps)
	profile, err := os.Create(os.Getenv(child))
	if err != nil {
		return err
	}
	defer func() { _ = profile.Close() }()
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	go func() { // From when everything runs.
		<-usr1
		if err := pprof.StartCPUProfile(profile); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	err = controller.Run(ctx, controller.Options{
		Config: config, Metrics: os.Getenv("HEADGATE_BENCH_METRICS"), Health: "0",
		Prometheus: &experiment.PrometheusProvider{URL: os.Getenv("HEADGATE_BENCH_PROMETHEUS"), Scrape: scrape, Delay: experiment.DefaultDelay},
		Log:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	pprof.StopCPUProfile()
	if heap, err := os.Create(os.Getenv(child) + ".heap"); err == nil {
		_ = pprof.WriteHeapProfile(heap)
		_ = heap.Close()
	}
	return err
}

// TestBench runs a thousand experiments for five minutes; HEADGATE_BENCH=quick
// for ninety seconds.
func TestBench(t *testing.T) {
	mode := os.Getenv("HEADGATE_BENCH")
	if mode == "" {
		t.Skip("measures for six minutes; make bench-controller")
	}
	experiments, measure := number("HEADGATE_BENCH_EXPERIMENTS", 1000), 5*time.Minute
	if mode == "quick" {
		measure = 90 * time.Second
	}
	c := servers.APIServer(t)
	files, err := filepath.Glob("../../config/crd/headgate*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("the CRDs: %v, %v", files, err)
	}
	c.Install(t, servers.CRDsOf(t, files...)...)
	c.Install(t, servers.IstioCRDs(t, "virtualservices.networking.istio.io")...)
	c.Namespace(t, namespace)
	source, prometheus := newStub(t)
	apply(t, c.Client, experiments, route)
	apply(t, c.Client, experiments, spec)

	began := time.Now()
	p := start(t, c.Kubeconfig, prometheus)
	changes := map[schema.GroupVersionKind]*changed{}
	for _, kind := range []schema.GroupVersionKind{experimentKind, recordKind, routeKind} {
		changes[kind] = follow(t, c, kind)
	}
	awaitAll(t, c.Client, experiments)
	fmt.Printf("%d experiments began within %v of the controller's start (%.1f s of CPU)\n", experiments, time.Since(began).Round(100*time.Millisecond), p.cpu(t))
	// The first windows are folded, and what begins is over.
	wait(t, 75*time.Second)

	f := observe(t, p, source, changes, experiments, measure)
	f.print(measure)
	if running := awaitAll(t, c.Client, experiments); running != experiments || f.late.count < f.minutes {
		t.Errorf("%d of %d experiments run, with %.0f ticks", running, experiments, f.late.count)
	}
	f.judge(t)
}

// figures are what was measured.
type figures struct {
	minutes          float64 // Experiments times minutes.
	cores, rss, peak float64
	asked, requests  float64            // Per experiment and minute, and per second.
	told, seen       map[string]float64 // Writes by the controller and by the cluster.
	late             spread
}

// observe measures for some time.
func observe(t *testing.T, p *process, source *stub, changes map[schema.GroupVersionKind]*changed, experiments int, measure time.Duration) *figures {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGUSR1) // From here on it is profiled.
	before, cpu, asked, at := p.metrics(t), p.cpu(t), source.asked.Load(), time.Now()
	for _, k := range changes {
		k.n.Store(0)
	}
	wait(t, measure)
	after, memory := p.metrics(t), p.memory(t)
	seconds := time.Since(at).Seconds()
	f := &figures{
		minutes: float64(experiments) * seconds / 60, cores: (p.cpu(t) - cpu) / seconds, rss: memory["VmRSS"], peak: memory["VmHWM"],
		requests: (sum(after, "rest_client_requests_total") - sum(before, "rest_client_requests_total")) / seconds,
		late:     lateness(before, after), told: map[string]float64{}, seen: map[string]float64{},
	}
	f.asked = float64(source.asked.Load()-asked) / f.minutes
	for what, kind := range map[string]schema.GroupVersionKind{"status": experimentKind, "record": recordKind, "route": routeKind} {
		name := "headgate_" + what + "_writes_total"
		f.told[what], f.seen[what] = after[name]-before[name], float64(changes[kind].n.Load())
	}
	return f
}

func (f *figures) print(measure time.Duration) {
	fmt.Printf("measured for %v: %.3f cores, %.0f MiB (peak %.0f MiB), %.1f queries per experiment and minute\n", measure, f.cores, f.rss, f.peak, f.asked)
	fmt.Printf("p99 of a tick's lateness: at most %v; %.1f ticks per experiment and minute\n", f.late.p99, f.late.count/f.minutes)
	fmt.Println("writes per experiment and minute   by the controller   by the cluster")
	for _, what := range []string{"status", "record", "route"} {
		fmt.Printf("  %-32s %.3f               %.3f\n", what, f.told[what]/f.minutes, f.seen[what]/f.minutes)
	}
	fmt.Printf("requests to the API server: %.1f a second\n", f.requests)
}

// judge compares with the targets.
func (f *figures) judge(t *testing.T) {
	t.Helper()
	status, record := f.seen["status"]/f.minutes, f.seen["record"]/f.minutes
	for what, over := range map[string]bool{
		fmt.Sprintf("%.3f cores, want less than %v", f.cores, maxCores):                 f.cores >= maxCores,
		fmt.Sprintf("%.0f MiB, want at most %d", f.peak, maxMiB):                        f.peak > maxMiB,
		fmt.Sprintf("%.3f statuses per experiment and minute, want 1", status):          status > maxWrites,
		fmt.Sprintf("%.3f records per experiment and minute, want 1", record):           record > maxWrites,
		fmt.Sprintf("%.0f route writes, want none", f.seen["route"]+f.told["route"]):    f.seen["route"]+f.told["route"] > 0,
		fmt.Sprintf("a tick in a hundred is %v late, want %v", f.late.p99, maxLateness): f.late.p99 >= maxLateness,
	} {
		if over {
			t.Error(what)
		}
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// wait waits while other processes are measured.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func route(name string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  hosts: [%[1]s]
  http:
  - name: primary
    retries: {attempts: 0}
    route:
    - {destination: {host: %[1]s-v1}, weight: 100}
    - {destination: {host: %[1]s-v2}, weight: 0}
`, name, namespace)
}

// spec is an experiment of two versions and four metrics that stays on its first
// step.
func spec(name string) string {
	return fmt.Sprintf(`
apiVersion: headgate.dev/v1alpha1
kind: Experiment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  versions: [{name: v1, backend: %[1]s-v1}, {name: v2, backend: %[1]s-v2}]
  traffic: {virtualService: {name: %[1]s}}
  metrics:
  - {name: errors, from: {builtin: error-rate}}
  - {name: latency, from: {builtin: latency, quantile: "0.95"}}
  - name: wrong
    goal: decrease
    trust: observed
    from: {prometheus: {events: 'model_wrong_total{app="%[1]s",version="{{.Version}}"}', total: 'model_answers_total{app="%[1]s",version="{{.Version}}"}'}}
  - name: slow
    goal: decrease
    trust: observed
    from: {prometheus: {events: 'model_slow_total{app="%[1]s",version="{{.Version}}"}', total: 'model_answers_total{app="%[1]s",version="{{.Version}}"}'}}
  objectives:
  - {metric: errors, max: "5%%"}
  - {metric: latency, max: 250ms}
  - {metric: wrong, max: "5%%"}
  - {metric: slow, max: "5%%"}
  stages:
  - {name: canary, ramp: {steps: ["50%%"]}, hold: {for: 4h}}
  evidence: {window: 60s}
`, name, namespace)
}

// apply makes objects, many at once.
func apply(t *testing.T, c client.Client, n int, text func(name string) string) {
	t.Helper()
	var wg sync.WaitGroup
	places := make(chan struct{}, 16)
	for i := range n {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			u := &unstructured.Unstructured{}
			if err := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text(fmt.Sprintf("ranker-%d", i))), 4096).Decode(u); err != nil {
				t.Error(err)
			} else if err := c.Create(t.Context(), u); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// awaitAll waits until every experiment runs at its step.
func awaitAll(t *testing.T, c client.Client, n int) int {
	t.Helper()
	for deadline := time.Now().Add(4 * time.Minute); ; wait(t, time.Second) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(experimentKind)
		if err := c.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		running, last := 0, ""
		for i := range list.Items {
			condition, _, _ := unstructured.NestedString(list.Items[i].Object, "status", "condition")
			shares, _, _ := unstructured.NestedString(list.Items[i].Object, "status", "shares")
			if condition == "running" && shares == "50%/50%" {
				running++
				continue
			}
			status := list.Items[i].Object["status"]
			last = fmt.Sprint(status)
		}
		if running == n || time.Now().After(deadline) {
			if running < n {
				t.Fatalf("%d of %d experiments run; one says %s", running, n, last)
			}
			return running
		}
	}
}

// start runs the controller.
func start(t *testing.T, kubeconfig, prometheus string) *process {
	t.Helper()
	p := &process{address: servers.FreeAddr(t)}
	profile := os.Getenv("HEADGATE_BENCH_PROFILE")
	if profile == "" {
		profile = filepath.Join(t.TempDir(), "cpu.pprof")
	}
	qps := os.Getenv("HEADGATE_BENCH_QPS")
	if qps == "" {
		qps = "200"
	}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), child+"="+profile, "HEADGATE_BENCH_KUBECONFIG="+kubeconfig,
		"HEADGATE_BENCH_PROMETHEUS="+prometheus, "HEADGATE_BENCH_METRICS="+p.address, "HEADGATE_BENCH_QPS="+qps)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait() // It is told to end.
	})
	return p
}
