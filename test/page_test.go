// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/headgate-dev/headgate/internal/httpapi"
	"github.com/headgate-dev/headgate/internal/view"
	"github.com/headgate-dev/headgate/test/servers"
	"github.com/headgate-dev/headgate/web"
)

// chromium is the browser of these tests: Debian's package chromium.
const chromium = "/usr/bin/chromium"

// pageWait bounds one wait for the page to show something.
const pageWait = 2 * time.Minute

// tab is one browser tab and what it complained about and asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	requests []string
}

// openTab starts a browser with an empty profile and opens a page in it. The
// profile is chromedp's to remove, which tries again while the browser's helpers,
// which outlive it for a moment, still write there; t.TempDir does not.
func openTab(t *testing.T, address string, width, height int64) *tab {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Skipf("no browser at %s, so nobody looks at the page: apt-get install chromium", chromium)
	}
	b := &tab{t: t}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))...)
	ctx, closeTab := chromedp.NewContext(allocator, chromedp.WithListener(b.listen))
	b.ctx = ctx
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
		closeTab()
		stop()
	})
	// The first step starts the browser and must not have a deadline.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(address))
	return b
}

// listen remembers what a page should not do.
func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, "the console has "+string(e.Type))
	case *log.EventEntryAdded:
		b.problems = append(b.problems, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageWait)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// valueOf runs an action and gives its value.
func valueOf[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageWait)
	defer cancel()
	x, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return x
}

// givenWay is what the browser says of a document that was left while it looked,
// and while there is none yet in its place.
var givenWay = regexp.MustCompile("navigated|context was destroyed|Cannot find (default execution )?context")

// serverGone is what the browser says of requests to a server that is gone: which
// it is depends on how far each was.
const serverGone = "ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_CONNECTION_CLOSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE"

// wait waits until an expression, which may await, is true in the page. The
// page itself looks: its policy forbids what chromedp's own polling needs.
func (b *tab) wait(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageWait)
	defer cancel()
	script := `(async () => { while (!(` + expression + `)) await new Promise((ok) => setTimeout(ok, 20)); return true; })()`
	for {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
		switch {
		case err == nil:
			return
		case ctx.Err() == nil && givenWay.MatchString(err.Error()):
			// The document that looked has given way to another one.
		default:
			b.t.Fatalf("waiting for %s: %v\nthe page shows:\n%s", what, err, b.text("body"))
		}
	}
}

// text is the text of an element, as it is written in the page.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return valueOf(b, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q)?.textContent ?? ""`, selector)))
}

// shoot saves what the tab shows into the folder that HEADGATE_SCREENSHOTS
// names, if it names one.
func (b *tab) shoot(name string) {
	b.t.Helper()
	if dir := os.Getenv("HEADGATE_SCREENSHOTS"); dir != "" {
		b.save(filepath.Join(dir, strings.ReplaceAll(name, " ", "_")+".png"), valueOf(b, chromedp.FullScreenshot(100)))
	}
}

func (b *tab) save(file string, png []byte) {
	b.t.Helper()
	if err := os.WriteFile(file, png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// clean fails the test if the page complained, or asked any host but its own.
// Problems that match provoked are what the test was after.
func (b *tab) clean(address, provoked string) {
	b.t.Helper()
	own, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		if provoked == "" || !regexp.MustCompile(provoked).MatchString(p) {
			b.t.Errorf("the browser says: %s", p)
		}
	}
	for _, r := range b.requests {
		if u, err := url.Parse(r); err != nil || (u.Scheme != "data" && u.Host != own.Host) {
			b.t.Errorf("the page asked for %s", r)
		}
	}
	if len(b.requests) < 4 {
		b.t.Errorf("only %v were asked for: the check saw nothing", b.requests)
	}
}

const (
	verdictIs  = `document.querySelector("#verdict")?.textContent`
	jsonNow    = `(await (await fetch("v1/experiment")).json())`
	connection = `document.querySelector("#connection .mode")?.textContent`
)

// pageServer is a server that shows the page of recorded views.
type pageServer struct {
	runs   []*recordedRun
	server *http.Server
	url    string
}

// recordedRun shows a view that a test may change. Nobody can command it.
type recordedRun struct {
	httpapi.Experiment
	view   atomic.Pointer[view.Experiment]
	stream *httpapi.Stream
}

func (r *recordedRun) View() view.Experiment { return *r.view.Load() }

// Find gives a run by name, the only one without.
func (s *pageServer) Find(name string) (httpapi.Experiment, error) { return s.find(name) }

func (s *pageServer) find(name string) (*recordedRun, error) {
	for _, r := range s.runs {
		if v := r.View(); len(s.runs) == 1 && name == "" || v.Namespace+"/"+v.Name == name {
			return r, nil
		}
	}
	return nil, errors.New("name one of the recorded runs")
}

// All gives every run.
func (s *pageServer) All() []httpapi.Experiment {
	var all []httpapi.Experiment
	for _, r := range s.runs {
		all = append(all, r)
	}
	return all
}

// events streams the events of a run.
func (s *pageServer) events(w http.ResponseWriter, r *http.Request) {
	run, err := s.find(r.URL.Query().Get("name"))
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	run.stream.ServeHTTP(w, r)
}

// heldBack is a proxy that takes events and passes none on.
func heldBack(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// servePage starts a server on an address. Nil events are those of the runs.
func servePage(t *testing.T, address string, events http.HandlerFunc, views ...view.Experiment) *pageServer {
	t.Helper()
	s := &pageServer{}
	mux := http.NewServeMux()
	s.server = &http.Server{Handler: httpapi.OnlyThisMachine(mux), ReadHeaderTimeout: time.Minute}
	for _, v := range views {
		r := &recordedRun{}
		r.view.Store(&v)
		r.stream = httpapi.NewStream(r)
		s.server.RegisterOnShutdown(r.stream.Stop)
		s.runs = append(s.runs, r)
	}
	if events == nil {
		events = s.events
	}
	httpapi.Read(mux, s)
	mux.HandleFunc("GET /v1/experiment/events", events)
	mux.Handle("/", httpapi.Page(web.FS()))
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + ln.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.server.Serve(ln) // It ends when the server is closed.
	}()
	t.Cleanup(func() {
		_ = s.server.Close()
		<-done
	})
	return s
}

// recorded reads a golden view and moves it to now.
func recorded(t *testing.T, name string) view.Experiment {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "internal", "view", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var v view.Experiment
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	shift := time.Since(v.At)
	v.At = v.At.Add(shift)
	for i := range v.Decisions {
		v.Decisions[i].At = v.Decisions[i].At.Add(shift)
	}
	return v
}

// TestPageShowsEveryState opens the page of each recorded view, wide and
// narrow, light and dark: the sentence is the view's, nothing is cut off, and
// the browser has nothing to complain about.
func TestPageShowsEveryState(t *testing.T) {
	files, err := filepath.Glob("../internal/view/testdata/*.json")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d recorded views (%v), want at least 9", len(files), err)
	}
	s := servePage(t, "127.0.0.1:0", nil, recorded(t, "observing"))
	b := openTab(t, s.url, 1280, 900)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			b.t = t
			v := recorded(t, name)
			s.runs[0].view.Store(&v)
			b.do(chromedp.Navigate(s.url))
			b.wait("the sentence of the view", verdictIs+` === `+jsonNow+`.verdict.sentence`)
			if got := b.text("#verdict"); got != v.Verdict.Sentence {
				t.Errorf("the page says %q, the view %q", got, v.Verdict.Sentence)
			}
			all := b.text("main")
			for _, x := range v.Versions {
				if !strings.Contains(all, x.Name) {
					t.Errorf("version %s is not shown", x.Name)
				}
			}
			for _, f := range v.Findings {
				if !strings.Contains(all, f.Question) || !strings.Contains(all, f.Status) {
					t.Errorf("finding %q, %s, is not shown", f.Question, f.Status)
				}
			}
			for _, d := range v.Decisions {
				if !strings.Contains(all, d.Reasons[0]) {
					t.Errorf("decision %q is not shown", d.Reasons[0])
				}
			}
			b.shoot(name)
			for _, width := range []int64{1280, 400} {
				b.do(chromedp.EmulateViewport(width, 900))
				if got := valueOf(b, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); got > width {
					t.Errorf("at %d pixels the page is %d wide", width, got)
				}
			}
			b.shoot(name + " narrow")
			b.do(chromedp.EmulateViewport(1280, 900), colorScheme("dark"))
			b.shoot(name + " dark")
			b.do(colorScheme("light"))
		})
	}
	b.t = t
	b.clean(s.url, "")
}

// colorScheme asks for a light or a dark page.
func colorScheme(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

func TestPageSaysWhenEvidenceCannotBeTrusted(t *testing.T) {
	t.Parallel() // It mostly waits.
	v := recorded(t, "running_split")
	const why = "sample-ratio mismatch: asked for 50%/50%, seen 41%/59%"
	v.Health = view.Health{Trouble: []string{why}, Mismatch: 45000, Incomplete: []view.Incomplete{{Source: "gateway", Missing: 3, Windows: 1200, Last: "one is silent"}}}
	s := servePage(t, "127.0.0.1:0", nil, v)
	b := openTab(t, s.url, 1280, 900)
	b.wait("the alarm", `document.querySelector("#health[role=alert]")`)
	if got := b.text("#health"); !strings.Contains(got, why) || !strings.Contains(got, "45,000") || !strings.Contains(got, "3 of 1,200 of gateway (one is silent)") {
		t.Errorf("the alarm says %q", got)
	}
	if !valueOf(b, chromedp.Evaluate[bool](`document.querySelectorAll(".untrusted").length === 2`)) {
		t.Error("the results are not greyed")
	}
	b.shoot("untrustworthy")
	b.clean(s.url, "")
}

// TestPageFollowsTheRun changes the view under an open page: small changes come
// as ticks, a decision as a view.
func TestPageFollowsTheRun(t *testing.T) {
	t.Parallel() // It mostly waits.
	v := recorded(t, "running_split")
	s := servePage(t, "127.0.0.1:0", nil, v)
	b := openTab(t, s.url, 1280, 900)
	b.wait("the live stream", connection+` === "live"`)
	next := v
	next.At = time.Now()
	next.Versions = slices.Clone(v.Versions)
	next.Versions[1].Units = 123456
	seen := [2]float64{0.4712, 0.5288}
	next.Versions[0].Seen, next.Versions[1].Seen = &seen[0], &seen[1]
	next.Verdict.Sentence = "KEEP GOING  v2 is undecided (+1.2 points); the rest as before"
	s.runs[0].view.Store(&next)
	b.wait("the new sentence", verdictIs+` === "`+next.Verdict.Sentence+`"`)
	for _, want := range []string{"123,456", "47.1%", "52.9%"} {
		if got := b.text("main"); !strings.Contains(got, want) {
			t.Errorf("%s is not shown in %q", want, got)
		}
	}
	b.shoot("followed")
	end := recorded(t, "promoted")
	s.runs[0].view.Store(&end)
	b.wait("the verdict", `document.querySelector("#verdict")?.textContent.startsWith("PROMOTED")`)
	if got := b.text("#connection .age"); got != "these results are final" {
		t.Errorf("the age is %q, want it final", got)
	}
	b.clean(s.url, "")
}

// TestPageSurvivesALostConnection takes the server away and brings it back on
// the same address.
func TestPageSurvivesALostConnection(t *testing.T) {
	t.Parallel() // It mostly waits.
	v := recorded(t, "running_canary")
	s := servePage(t, servers.FreeAddr(t), nil, v) // Nobody else gets it while the server is away.
	b := openTab(t, s.url, 1280, 900)
	b.wait("the live stream", connection+` === "live"`)
	if err := s.server.Close(); err != nil {
		t.Fatal(err)
	}
	b.wait("the message", `document.querySelector("#lost")?.textContent.includes("connection is lost")`)
	b.shoot("lost")
	back := recorded(t, "running_split")
	servePage(t, strings.TrimPrefix(s.url, "http://"), nil, back)
	b.wait("the live stream again", connection+` === "live" && !document.querySelector("#lost")`)
	if got := b.text("#verdict"); got != back.Verdict.Sentence {
		t.Errorf("after the way back the page says %q, want %q", got, back.Verdict.Sentence)
	}
	b.clean(s.url, serverGone)
}

func TestPageListsSeveralExperiments(t *testing.T) {
	t.Parallel() // It mostly waits.
	one, two, three := recorded(t, "promoted"), recorded(t, "running_canary"), recorded(t, "running_split")
	two.Name, three.Name = "second", "third"
	three.Health.OK = false
	s := servePage(t, "127.0.0.1:0", nil, one, two, three)
	b := openTab(t, s.url, 1280, 900)
	b.wait("the list", `document.querySelectorAll("tbody tr").length === 3`)
	names := valueOf(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll("tbody a")].map((a) => a.textContent)`))
	if want := []string{"search/third", "search/second", "search/ranker"}; !slices.Equal(names, want) {
		t.Errorf("listed are %v, want %v: what wants attention first", names, want)
	}
	for _, v := range []view.Experiment{one, two, three} {
		if !strings.Contains(b.text("table"), v.Verdict.Sentence) {
			t.Errorf("the verdict of %s is not listed", v.Name)
		}
	}
	b.shoot("list")
	valueOf(b, chromedp.Evaluate[chromedp.Void](`setTimeout(() => document.querySelectorAll("tbody a")[1].click())`))
	b.wait("the one that was chosen", connection+` === "live" && document.querySelector("h1").textContent === "search/second"`)
	if got := b.text("#verdict"); got != two.Verdict.Sentence {
		t.Errorf("the page says %q, want %q", got, two.Verdict.Sentence)
	}
	b.clean(s.url, "")
}

func TestPagePollsWhereEventsAreHeldBack(t *testing.T) {
	t.Parallel() // It mostly waits.
	v := recorded(t, "running_canary")
	s := servePage(t, "127.0.0.1:0", heldBack, v)
	b := openTab(t, s.url, 1280, 900)
	b.wait("the first view without any event", verdictIs+` === `+jsonNow+`.verdict.sentence`)
	b.wait("polling", connection+`.startsWith("polling")`)
	next := recorded(t, "running_split")
	s.runs[0].view.Store(&next)
	b.wait("the next view", verdictIs+` === `+jsonNow+`.verdict.sentence`)
	b.clean(s.url, "")
}

func TestPageSaysWhenWhatItShowsIsOld(t *testing.T) {
	t.Parallel() // It mostly waits.
	v := recorded(t, "running_canary")
	v.At = v.At.Add(-2 * time.Minute)
	s := servePage(t, "127.0.0.1:0", nil, v)
	b := openTab(t, s.url, 1280, 900)
	b.wait("the warning", `document.querySelector("#lost")?.textContent.includes("verdict is not known now")`)
	b.shoot("old")
	b.clean(s.url, "")
}

// TestPageShowsTheDemo follows a real run from start to verdict in a real
// browser.
func TestPageShowsTheDemo(t *testing.T) {
	if _, err := os.Stat(chromium); err != nil {
		t.Skipf("no browser at %s, so nobody looks at the page: apt-get install chromium", chromium)
	}
	cmd := exec.CommandContext(t.Context(), build(t), "demo", "--headless", "--candidate", "better", "--seed", "1")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := ""
	lines := bufio.NewScanner(stderr)
	for address == "" && lines.Scan() {
		if m := regexp.MustCompile(`metrics (http://\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	if address == "" {
		t.Fatalf("the demo did not say where its API is: %v", cmd.Wait())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
			t.Log(lines.Text())
		}
	}()
	b := openTab(t, address, 1280, 900)
	b.wait("the sentence that the API gives", verdictIs+` === `+jsonNow+`.verdict.sentence`)
	b.wait("a decision to advance", `document.querySelector(".decisions")?.textContent.includes("stage canary began")`)
	b.wait("an interval", `document.querySelector(".finding svg .whisker")`)
	b.shoot("demo running")
	b.wait("the verdict", `document.querySelector("#verdict")?.textContent.startsWith("PROMOTED")`)
	<-drained
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^Verdict +(.*)\nBecause +(.*?)  \[`).FindStringSubmatch(stdout.String())
	if m == nil {
		t.Fatalf("the terminal has no verdict:\n%s", stdout.String())
	}
	if got, want := b.text("#verdict"), m[1]+": "+m[2]; got != want {
		t.Errorf("the page says %q, the terminal %q", got, want)
	}
	b.wait("word that the run is over", connection+` === "Headgate has stopped"`)
	b.shoot("demo over")
	if os.Getenv("HEADGATE_UPDATE_SCREENSHOT") == "1" {
		dir := filepath.Join("..", "docs", "images")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		b.save(filepath.Join(dir, "page.png"), valueOf(b, chromedp.CaptureScreenshot()))
	}
	b.clean(address, serverGone)
}
