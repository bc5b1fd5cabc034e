// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// newShop is a version of a site that a browser shows. Its page asks the model
// and listens to events; it notes the units that come.
func newShop(t *testing.T, name string, units *unitsSeen) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/favicon.ico":
			w.WriteHeader(http.StatusNoContent)
			return
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "data: %s\n\n", name)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // A stream that stays.
			return
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, sitePage, name)
		default:
			_, _ = io.WriteString(w, name)
		}
		if c, err := r.Cookie("uid"); err == nil {
			units.add(c.Value, name)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const sitePage = `<!doctype html><title>shop</title><p id="version">%s</p><p id="predicted"></p><p id="event"></p>
<script>
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  fetch("v2/models/ranker/infer", {method: "POST", body: "{}"}).then((r) => r.text()).then((text) => show("predicted", text));
  new EventSource("events").onmessage = (e) => show("event", e.data);
</script>`

// unitsSeen are the versions that each unit met.
type unitsSeen struct {
	mu   sync.Mutex
	seen map[string]map[string]bool
}

func (u *unitsSeen) add(unit, version string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.seen[unit] == nil {
		u.seen[unit] = map[string]bool{}
	}
	u.seen[unit][version] = true
}

// TestABrowserKeepsItsVersion opens a site through a gateway in a browser: the
// page, what it fetches and its stream of events come from one version, over
// reloads, as long as the cookie is there.
func TestABrowserKeepsItsVersion(t *testing.T) {
	units := &unitsSeen{seen: map[string]map[string]bool{}}
	r := rankers(newShop(t, "v1", units), newShop(t, "v2", units))
	r.Assignment.Unit = experiment.Unit{Cookie: "uid"}
	r.Phase = 1
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			page := "http://" + trafficBy(t, engine, r) + "/"
			b := openTab(t, page, 800, 600)
			seen := map[string]bool{}
			for i := 0; i < 40 && len(seen) < 2; i++ {
				first := b.text("#version")
				for range 4 {
					b.wait("one version to show all of the page",
						`["predicted", "event"].every((id) => document.getElementById(id).textContent === document.getElementById("version").textContent)`)
					if got := b.text("#version"); got != first {
						t.Fatalf("reloaded, it shows %s instead of %s", got, first)
					}
					b.do(chromedp.Reload())
				}
				if got := valueOf(b, chromedp.Evaluate[string](`document.cookie`)); got != "" {
					t.Errorf("scripts see the cookie: %q", got)
				}
				seen[first] = true
				// The page leaves first: its stream of events would come again, as
				// a visitor of its own, between the two.
				b.do(chromedp.Navigate("about:blank"))
				b.do(forgetCookies)
				b.do(chromedp.Navigate(page))
			}
			if len(seen) != 2 {
				t.Errorf("40 new visitors all met %v", seen)
			}
		})
	}
	units.mu.Lock()
	defer units.mu.Unlock()
	for unit, versions := range units.seen {
		if len(versions) != 1 {
			t.Errorf("unit %s met %v", unit, versions)
		}
	}
}

// forgetCookies makes a new visitor of the browser.
var forgetCookies chromedp.Action[chromedp.Void] = chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
	_, err := cdp.Call(ctx, tab, network.ClearBrowserCookies, cdp.Empty{})
	return err
})

// trafficBy is the address of a gateway that serves a route by an engine to
// clients that speak HTTP/1.1 alone.
func trafficBy(t *testing.T, engine string, r experiment.Route) string {
	t.Helper()
	if engine == "fast" {
		p := newGatewayProcess(t)
		p.serve(r)
		return p.traffic
	}
	a := newAlone(t, 30*time.Second, "-full")
	if err := a.serve(r); err != nil {
		t.Fatal(err)
	}
	a.serves()
	t.Cleanup(a.ends)
	return a.traffic
}
