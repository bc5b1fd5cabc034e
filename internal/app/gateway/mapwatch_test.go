// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// kubeAPI answers lists and watches of one ConfigMap as an API server does.
type kubeAPI struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	version int
	text    *string // nil while there is no ConfigMap
	token   string
	watches map[chan string]bool
	// instead answers in place of what is asked for, where it says so.
	instead func(w http.ResponseWriter, r *http.Request) bool
	asked   []url.Values
}

func newKubeAPI(t *testing.T) *kubeAPI {
	t.Helper()
	k := &kubeAPI{t: t, version: 7, watches: map[chan string]bool{}}
	k.server = httptest.NewServer(k)
	t.Cleanup(func() {
		k.end()
		k.server.Close()
	})
	return k
}

// watcher follows it; it ends with the test.
func (k *kubeAPI) watcher() *mapWatch {
	k.t.Helper()
	dir := k.t.TempDir()
	server, err := newAPIServer(k.server.URL, filepath.Join(dir, "token"), filepath.Join(dir, "ca.crt"))
	if err != nil {
		k.t.Fatal(err)
	}
	w := newMapWatch(mapRef{"search", "edge", mapKey}, server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(k.t.Context())
	}()
	k.t.Cleanup(func() { <-done })
	return w
}

func (k *kubeAPI) object() string {
	data, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"name": "edge", "resourceVersion": fmt.Sprint(k.version)}, "data": map[string]string{mapKey: *k.text},
	})
	if err != nil {
		k.t.Error(err)
	}
	return string(data)
}

// set writes the ConfigMap, and tells whoever watches.
func (k *kubeAPI) set(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	kind := "MODIFIED"
	if k.text == nil {
		kind = "ADDED"
	}
	k.version++
	k.text = &text
	k.say(fmt.Sprintf(`{"type":%q,"object":%s}`, kind, k.object()))
}

// say sends a line to whoever watches; k.mu is held.
func (k *kubeAPI) say(line string) {
	for w := range k.watches {
		w <- line
	}
}

func (k *kubeAPI) tell(line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.say(line)
}

// end ends all watches.
func (k *kubeAPI) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for w := range k.watches {
		delete(k.watches, w)
		close(w)
	}
}

// answering changes how it answers; nil is as an API server does.
func (k *kubeAPI) answering(instead func(w http.ResponseWriter, r *http.Request) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.instead = instead
}

func (k *kubeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	q := r.URL.Query()
	k.asked = append(k.asked, q)
	instead, token := k.instead, k.token
	k.mu.Unlock()
	switch {
	case instead != nil && instead(w, r):
	case token != "" && r.Header.Get("Authorization") != "Bearer "+token:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"kind":"Status","code":401,"message":"Unauthorized"}`)
	case r.URL.Path != "/api/v1/namespaces/search/configmaps" || q.Get("fieldSelector") != "metadata.name=edge":
		w.WriteHeader(http.StatusForbidden)
	case q.Get("watch") == "":
		k.mu.Lock()
		items := ""
		if k.text != nil {
			items = k.object()
		}
		_, _ = fmt.Fprintf(w, `{"metadata":{"resourceVersion":"%d"},"items":[%s]}`, k.version, items)
		k.mu.Unlock()
	default:
		k.watch(w, r)
	}
}

func (k *kubeAPI) watch(w http.ResponseWriter, r *http.Request) {
	lines := make(chan string, 16)
	k.mu.Lock()
	k.watches[lines] = true
	if k.text != nil && r.URL.Query().Get("resourceVersion") != fmt.Sprint(k.version) {
		lines <- fmt.Sprintf(`{"type":"MODIFIED","object":%s}`, k.object())
	}
	k.mu.Unlock()
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			_, _ = io.WriteString(w, line+"\n")
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			k.mu.Lock()
			delete(k.watches, lines)
			k.mu.Unlock()
			return
		}
	}
}

// next waits for news that are as wanted.
func next(t *testing.T, w *mapWatch, what string, wanted func(mapNews) bool) mapNews {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case n := <-w.news:
			if wanted(n) {
				return n
			}
		case <-timeout:
			t.Fatalf("no news of %s", what)
		}
	}
}

func says(text string) func(mapNews) bool {
	return func(n mapNews) bool { return n.err == nil && string(n.text) == text }
}

func fails(with string) func(mapNews) bool {
	return func(n mapNews) bool { return n.err != nil && strings.Contains(n.err.Error(), with) }
}

func TestTheWatchTellsEachChange(t *testing.T) {
	k := newKubeAPI(t)
	w := k.watcher()
	next(t, w, "no map", fails("ConfigMap search/edge is not there"))
	k.set("one")
	next(t, w, "the first text", says("one"))
	k.set("two")
	next(t, w, "the second text", says("two"))
	k.tell(`{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"20"},"data":{"other":"x"}}}`)
	next(t, w, "the lost key", fails("has no key snapshot.json"))
	k.tell(`{"type":"DELETED","object":{"metadata":{"resourceVersion":"21"},"data":{"snapshot.json":"two"}}}`)
	next(t, w, "the lost map", fails("is not there"))
	k.tell(`{"type":"LATER","object":{}}`)
	k.tell(`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"30"}}}`)
	k.tell(`{"type":"ADDED","object":{"metadata":{"resourceVersion":"31"},"data":{"snapshot.json":"three"}}}`)
	next(t, w, "the third text", says("three"))
}

// TestTheWatchGoesOnWhereItEnded: at the last version it was told of, be it by a
// bookmark.
func TestTheWatchGoesOnWhereItEnded(t *testing.T) {
	k := newKubeAPI(t)
	k.set("one")
	w := k.watcher()
	next(t, w, "the text", says("one"))
	watching := func(from string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			k.mu.Lock()
			n := len(k.asked)
			last := k.asked[n-1]
			open := len(k.watches)
			k.mu.Unlock()
			if open == 1 && last.Get("watch") != "" && last.Get("resourceVersion") == from && last.Get("allowWatchBookmarks") == "true" && last.Get("timeoutSeconds") != "" {
				return
			}
		}
		t.Fatalf("it does not watch from %s: %v", from, k.asked)
	}
	watching("8")
	k.mu.Lock()
	k.version = 99
	k.say(`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"99"}}}`)
	k.mu.Unlock()
	k.end()
	watching("99")
	k.set("two")
	next(t, w, "what came after", says("two"))
}

func TestAWatchThatExpiredBeginsAnew(t *testing.T) {
	for name, expire := range map[string]func(k *kubeAPI){
		"by an event": func(k *kubeAPI) {
			k.tell(`{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}`)
		},
		"by an answer": func(k *kubeAPI) {
			var once sync.Once
			k.answering(func(w http.ResponseWriter, r *http.Request) (done bool) {
				if r.URL.Query().Get("watch") != "" {
					once.Do(func() { w.WriteHeader(http.StatusGone); done = true })
				}
				return done
			})
			k.end()
		},
		"by another error": func(k *kubeAPI) {
			k.tell(`{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is away"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKubeAPI(t)
			k.set("one")
			w := k.watcher()
			next(t, w, "the text", says("one"))
			for k.watching() == 0 {
				time.Sleep(time.Millisecond) // Until the list has become a watch.
			}
			k.mu.Lock()
			silent := "two"
			k.text = &silent // Nobody is told.
			k.version++
			k.mu.Unlock()
			expire(k)
			next(t, w, "the list", says("two"))
		})
	}
}

func (k *kubeAPI) watching() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.watches)
}

// TestAnAPIServerThatMisbehaves changes nothing and is asked again.
func TestAnAPIServerThatMisbehaves(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   string
	}{
		"is overloaded": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"message":"slow down"}`)
		}, "429 Too Many Requests slow down"},
		"forbids": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "403 Forbidden"},
		"sends elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "302 Found"},
		"says no JSON":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "invalid character"},
		"is something else": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, "no list of an API server's"},
		"never ends": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"metadata":{"resourceVersion":"1"},"items":[{"data":{"x":"`)
			for line := strings.Repeat("a", 1<<16); ; {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}, "more than 4194304 bytes"},
		"watches nonsense": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("watch") == "" {
				_, _ = io.WriteString(w, `{"metadata":{"resourceVersion":"1"}}`)
				return
			}
			_, _ = io.WriteString(w, "nonsense\n")
		}, "watch ConfigMap search/edge: invalid character"},
		"watches without end": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("watch") == "" {
				_, _ = io.WriteString(w, `{"metadata":{"resourceVersion":"1"}}`)
				return
			}
			for line := strings.Repeat("a", 1<<16); ; {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}, "more than 4194304 bytes"},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"metadata"`)
		}, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKubeAPI(t)
			k.answering(func(w http.ResponseWriter, r *http.Request) bool { tc.answer(w, r); return true })
			w := k.watcher()
			next(t, w, "the failure", fails(tc.want))
			k.set("one")
			k.answering(nil)
			next(t, w, "the text", says("one"))
		})
	}
}

func TestTheTokenAndTheCAAreReadAgain(t *testing.T) {
	k := newKubeAPI(t)
	k.set("one")
	k.token = "second"
	secure := httptest.NewTLSServer(k)
	t.Cleanup(secure.Close)
	t.Cleanup(k.end)
	dir := t.TempDir()
	token, ca := filepath.Join(dir, "token"), filepath.Join(dir, "ca.crt")
	write(t, token, "first\n")
	write(t, ca, "nothing")
	server, err := newAPIServer(secure.URL, token, ca)
	if err != nil {
		t.Fatal(err)
	}
	w := newMapWatch(mapRef{"search", "edge", mapKey}, server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(t.Context())
	}()
	t.Cleanup(func() { <-done })
	next(t, w, "the bad CA", fails("holds no certificate"))
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	if n := next(t, w, "the old token", fails("401 Unauthorized")); strings.Contains(n.err.Error(), "first") {
		t.Errorf("it tells the token: %v", n.err)
	}
	write(t, token, "second\n")
	next(t, w, "the text", says("one"))
}

func TestNewsThatNobodyTakesGiveWay(t *testing.T) {
	w := newMapWatch(mapRef{}, nil)
	w.tell(mapNews{text: []byte("one")})
	w.tell(mapNews{text: []byte("two")})
	w.tell(mapNews{err: io.EOF})
	if n := <-w.news; n.err != nil || string(n.text) != "two" {
		t.Errorf("%q, %v: want the newest text", n.text, n.err)
	}
}

func TestWhatToFollow(t *testing.T) {
	for text, want := range map[string]mapRef{
		"search/edge": {"search", "edge", mapKey}, "search/edge/a.json": {"search", "edge", "a.json"},
		"edge": {}, "": {}, "/edge": {}, "search/": {}, "search/edge/": {}, "a/b/c/d": {},
	} {
		got, err := parseMapRef(text)
		if got != want || (err != nil) != (want == mapRef{}) {
			t.Errorf("%q is %+v, %v, want %+v", text, got, err, want)
		}
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := newAPIServer("", "", ""); experiment.HintOf(err) == "" {
		t.Errorf("outside a cluster: %v", err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	if s, err := newAPIServer("", "", ""); err != nil || s.base != "https://[fd00::1]:443" || s.tokenFile != tokenInPod || s.caFile != caInPod {
		t.Errorf("in a cluster: %+v, %v", s, err)
	}
	for _, bad := range []string{"10.0.0.1:443", "https://u:hunter2@a", "ftp://a", "https://"} {
		if _, err := newAPIServer(bad, "", ""); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// follows makes the site follow an API server instead of a file.
func (s *site) follows(k *kubeAPI) {
	s.o.Snapshot, s.o.Map, s.o.KubeAPI = "", "search/edge", k.server.URL
	s.o.KubeToken, s.o.KubeCA = filepath.Join(s.t.TempDir(), "token"), filepath.Join(s.t.TempDir(), "ca.crt")
}

// answers waits until a gateway answers as wanted.
func (s *site) answers(p *Process, want string) {
	s.t.Helper()
	got := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if got = s.served(p); got == want {
			return
		}
	}
	s.t.Fatalf("it answers %s, want %s\n%s", got, want, s.log)
}

// TestAGatewayFollowsAConfigMap through its life: nothing yet, a split, a
// refused text, a lost map, and a restart without an API server.
func TestAGatewayFollowsAConfigMap(t *testing.T) {
	k := newKubeAPI(t)
	s := newSite(t)
	s.follows(k)
	p := s.start()
	s.answers(p, "503")
	k.set(text(t, s.snapshot(3, 1)))
	s.answers(p, "v2")
	k.set("{")
	for s.state(p).Refused == nil {
		time.Sleep(time.Millisecond) // Until it has heard of it.
	}
	k.set(text(t, s.snapshot(4, 0)))
	s.answers(p, "v1")
	for !s.state(p).Saved {
		time.Sleep(time.Millisecond) // It is served first and kept then.
	}
	if got := s.state(p); got.Sequence != 4 || !got.Saved || got.Hash != hashOf([]byte(text(t, s.snapshot(4, 0)))) {
		t.Errorf("/v1/snapshot = %+v", got)
	}
	if got := s.metric(p, "headgate_gateway_snapshot_readable"); got != "1" {
		t.Errorf("readable is %s", got)
	}
	k.tell(`{"type":"DELETED","object":{"metadata":{"resourceVersion":"50"}}}`)
	for s.metric(p, "headgate_gateway_snapshot_readable") != "0" {
		time.Sleep(time.Millisecond) // Until it has heard of it.
	}
	s.answers(p, "v1")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	k.end()
	k.server.Close()
	s.answers(s.start(), "v1")
}

func TestWithoutAnySnapshotTheBaselineAnswers(t *testing.T) {
	k := newKubeAPI(t)
	s := newSite(t)
	s.follows(k)
	s.o.Baseline = s.models[0]
	s.o.Exposures = filepath.Join(t.TempDir(), "exposures")
	p := s.start()
	s.answers(p, "v1")
	if code, body := s.admin(p, "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if _, body := s.admin(p, "/v1/batches"); strings.Contains(body, nobody) {
		t.Errorf("it hands over %s", body)
	}
	k.set(text(t, s.snapshot(1, 1)))
	s.answers(p, "v2")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	s.o.Baseline = s.models[1] // What is kept goes before it.
	k.set(text(t, s.snapshot(2, 0)))
	k.answering(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true })
	p = s.start()
	s.answers(p, "v2")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	s.o.Data, s.o.Baseline = filepath.Join(t.TempDir(), "new"), "http://u:hunter2@v1"
	if _, err := Start(t.Context(), s.o); experiment.CodeOf(err) != experiment.CodeInvalid || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}
