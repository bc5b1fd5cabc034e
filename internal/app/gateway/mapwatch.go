// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// mapKey is the key of a snapshot where the reference names none.
const mapKey = "snapshot.json"

const (
	// listWithin bounds a list, watchFor is how long a watch is asked for at
	// most: a connection that died without a word is found out by then.
	// watchSlack is what the API server may take longer.
	listWithin = 10 * time.Second
	watchFor   = 40 * time.Second
	watchSlack = 5 * time.Second
	// againFirst and againMost are the waits after failures.
	againFirst = 100 * time.Millisecond
	againMost  = 5 * time.Second
	// maxMapEvent bounds one object of the API server's, in bytes: it stores
	// 1.5 MiB at most, which JSON in JSON makes longer.
	maxMapEvent = 4 << 20
)

// errExpired is that the API server has forgotten where a watch began.
var errExpired = errors.New("the watch's beginning has expired")

// mapRef names a key of a ConfigMap.
type mapRef struct{ namespace, name, key string }

// parseMapRef reads NAMESPACE/NAME[/KEY].
func parseMapRef(text string) (mapRef, error) {
	parts := strings.Split(text, "/")
	if len(parts) == 2 {
		parts = append(parts, mapKey)
	}
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return mapRef{}, experiment.Errorf(experiment.CodeInvalid, "the ConfigMap to follow is %q", text).
			WithHint("name it as NAMESPACE/NAME or NAMESPACE/NAME/KEY, for example search/headgate-gateway")
	}
	return mapRef{parts[0], parts[1], parts[2]}, nil
}

func (r mapRef) String() string { return "ConfigMap " + r.namespace + "/" + r.name }

// mapNews is what is known of the key: its text, or why there is none. What was
// served stays in any case.
type mapNews struct {
	text []byte
	err  error
}

// mapWatch follows one key of one ConfigMap: it lists, then watches from there.
// It needs the rights get, list and watch on that ConfigMap alone. News come in
// order; one that nobody has taken gives way to the next.
type mapWatch struct {
	ref    mapRef
	server *apiServer
	news   chan mapNews
	// version is the resource version up to which everything is known.
	version string
}

func newMapWatch(ref mapRef, server *apiServer) *mapWatch {
	return &mapWatch{ref: ref, server: server, news: make(chan mapNews, 1)}
}

// run follows until ctx is done.
func (w *mapWatch) run(ctx context.Context) {
	defer w.server.close()
	wait := againFirst
	for ctx.Err() == nil {
		begin := time.Now()
		err := w.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.version = "" // Whatever it is, a list begins anew.
			if !errors.Is(err, errExpired) {
				w.tell(mapNews{err: err})
			}
		}
		if time.Since(begin) > againMost {
			wait = againFirst // It went well for a while.
			if err == nil {
				continue
			}
		}
		t := time.NewTimer(wait/2 + rand.N(wait/2+1)) // Not all gateways at the same moment.
		select {
		case <-ctx.Done():
			t.Stop()
		case <-t.C:
		}
		wait = min(2*wait, againMost)
	}
}

// follow lists, unless it is known where to go on, and watches until the watch
// ends.
func (w *mapWatch) follow(ctx context.Context) error {
	if w.version == "" {
		if err := w.list(ctx); err != nil {
			return err
		}
	}
	return w.watch(ctx)
}

// tell replaces news that nobody has taken.
func (w *mapWatch) tell(n mapNews) {
	for {
		select {
		case w.news <- n:
			return
		default:
		}
		select {
		case old := <-w.news:
			if n.err != nil && old.err == nil {
				n = old // A failure tells nothing newer than a text does.
			}
		default:
		}
	}
}

// configMap is what matters of one, and of the list and the status.
type configMap struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
	// Code is that of a Status.
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// tellOf tells what the key holds; nil is that there is no ConfigMap.
func (w *mapWatch) tellOf(m *configMap) {
	if m == nil {
		w.tell(mapNews{err: fmt.Errorf("%s is not there", w.ref)})
		return
	}
	text, ok := m.Data[w.ref.key]
	if !ok {
		w.tell(mapNews{err: fmt.Errorf("%s has no key %s yet", w.ref, w.ref.key)})
		return
	}
	w.tell(mapNews{text: []byte(text)})
}

func (w *mapWatch) path(more url.Values) string {
	more.Set("fieldSelector", "metadata.name="+w.ref.name)
	return "/api/v1/namespaces/" + url.PathEscape(w.ref.namespace) + "/configmaps?" + more.Encode()
}

// list reads the ConfigMap as it stands, and where a watch may begin.
func (w *mapWatch) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	body, err := w.server.get(ctx, w.path(url.Values{}))
	if err != nil {
		return fmt.Errorf("read %s: %w", w.ref, err)
	}
	defer func() { _ = body.Close() }()
	limited := &io.LimitedReader{R: body, N: maxMapEvent}
	var list struct {
		configMap
		Items []configMap `json:"items"`
	}
	if err := json.NewDecoder(limited).Decode(&list); err != nil {
		return fmt.Errorf("read %s: %w", w.ref, tooLong(err, limited.N <= 0))
	}
	if list.Metadata.ResourceVersion == "" {
		return fmt.Errorf("read %s: the answer is no list of an API server's", w.ref)
	}
	w.version = list.Metadata.ResourceVersion
	if len(list.Items) == 0 {
		w.tellOf(nil)
	} else {
		w.tellOf(&list.Items[0])
	}
	return nil
}

func tooLong(err error, cut bool) error {
	if cut {
		return fmt.Errorf("it has more than %d bytes", maxMapEvent)
	}
	return err
}

// watch takes changes until the API server ends the watch; an error is any other
// end.
func (w *mapWatch) watch(ctx context.Context) error {
	seconds := watchFor/2 + rand.N(watchFor/2)
	ctx, cancel := context.WithTimeout(ctx, seconds+watchSlack)
	defer cancel()
	body, err := w.server.get(ctx, w.path(url.Values{
		"watch": {"1"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {w.version},
		"timeoutSeconds": {strconv.Itoa(int(seconds / time.Second))},
	}))
	if err != nil {
		return fmt.Errorf("watch %s: %w", w.ref, err)
	}
	defer func() { _ = body.Close() }()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxMapEvent)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := w.event(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("watch %s: %w", w.ref, tooLong(err, errors.Is(err, bufio.ErrTooLong)))
	}
	return nil
}

// event takes one change.
func (w *mapWatch) event(line []byte) error {
	var e struct {
		Type   string    `json:"type"`
		Object configMap `json:"object"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("watch %s: %w", w.ref, err)
	}
	switch e.Type {
	case "ADDED", "MODIFIED":
		w.tellOf(&e.Object)
	case "DELETED":
		w.tellOf(nil)
	case "BOOKMARK":
	case "ERROR":
		if e.Object.Code == http.StatusGone {
			return errExpired
		}
		return fmt.Errorf("watch %s: the API server says %d %s", w.ref, e.Object.Code, cmp.Or(e.Object.Message, "without a reason"))
	default:
		return nil // Of a later API; what it is about is told again by a list.
	}
	w.version = cmp.Or(e.Object.Metadata.ResourceVersion, w.version)
	return nil
}
