// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// rewrite is how the requests of a version differ from what clients ask for:
// the beginning of their path, and the model that they name.
type rewrite struct {
	moves    bool
	from, to string // without a slash at the end
	// segment is the model's name as a segment of a path, quoted as a string
	// in JSON; both are nil where clients' names are the model's own.
	segment, quoted []byte
}

// newRewrite lays out a version's rewriting; nil is none.
func newRewrite(v *experiment.Version) (*rewrite, error) {
	if v.Model == "" && v.Path == nil {
		return nil, nil
	}
	w := new(rewrite)
	if v.Path != nil {
		if !pathOf(v.Path.From) || v.Path.To != "" && !pathOf(v.Path.To) {
			return nil, fmt.Errorf("version %s: path from %q to %q: want paths that begin with a slash, without query", v.Name, v.Path.From, v.Path.To)
		}
		w.moves, w.from, w.to = true, strings.TrimSuffix(v.Path.From, "/"), strings.TrimSuffix(v.Path.To, "/")
	}
	if v.Model == "" {
		return w, nil
	}
	if !headerValue(v.Model) {
		return nil, fmt.Errorf("version %s: model %q is not printable ASCII", v.Name, v.Model)
	}
	var err error
	if w.quoted, err = json.Marshal(v.Model); err != nil {
		return nil, fmt.Errorf("version %s: model: %w", v.Name, err)
	}
	// A colon would begin a verb: /v1/models/m:predict.
	w.segment = []byte(strings.ReplaceAll(url.PathEscape(v.Model), ":", "%3A"))
	return w, nil
}

// pathOf says whether s can stand at the beginning of a request's path.
func pathOf(s string) bool {
	_, err := url.PathUnescape(s)
	return err == nil && headerValue(s) && s[0] == '/' && !strings.ContainsAny(s, "?#\\\"<>^`{|}") && !strings.Contains(s, "//")
}

// appendTarget writes the path and query that a version is asked for. Both are
// as they came, escapes and all, but for the parts that are rewritten.
func (w *rewrite) appendTarget(out []byte, target string) []byte {
	if !strings.HasPrefix(target, "/") {
		return append(out, target...) // OPTIONS * is about the server.
	}
	path, query := target, ""
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	start := len(out)
	if rest, ok := strings.CutPrefix(path, w.from); w.moves && ok && (rest == "" || rest[0] == '/') {
		out = append(append(out, w.to...), rest...)
		if len(out) == start {
			out = append(out, '/')
		}
	} else {
		out = append(out, path...)
	}
	if w.segment != nil {
		if i, j := modelIn(out[start:]); j > i {
			out = slices.Replace(out, start+i, start+j, w.segment...)
		}
	}
	return append(out, query...)
}

// move rewrites a URL that has no host yet.
func (w *rewrite) move(u *url.URL) {
	raw := string(w.appendTarget(nil, u.EscapedPath()))
	if path, err := url.PathUnescape(raw); err == nil { // What is written here is escaped rightly.
		u.Path, u.RawPath = path, raw
	}
}

// modelIn finds the name of the model in a path of the Open Inference Protocol
// or of KServe's first one: path[i:j], empty if there is none.
func modelIn(path []byte) (i, j int) {
	const v1, v2 = "/v1/models/", "/v2/models/"
	if len(path) < len(v1) {
		return 0, 0
	}
	ends := "/"
	switch string(path[:len(v1)]) {
	case v1:
		ends = "/:"
	case v2:
	default:
		return 0, 0
	}
	i, j = len(v1), len(v1)
	for j < len(path) && strings.IndexByte(ends, path[j]) < 0 {
		j++
	}
	return i, j
}

// namesModelInBody says whether a target is one of the OpenAI-compatible ones,
// whose requests name their model in the body.
func namesModelInBody(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	for _, end := range []string{"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"} {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// modelEdit is a body that was read whole, and where in it the name of the
// model stands: body[from:to]. Without a body there is nothing to rewrite.
type modelEdit struct {
	body     []byte
	from, to int
}

// findModel looks for the model's name in a body. A body that is too long to be
// read, no JSON object, or names no model or two, goes on as it is.
func (l *lookup) findModel() (modelEdit, *absence) {
	body, missing := l.whole()
	if missing != nil {
		if missing.refusal != nil {
			return modelEdit{}, missing
		}
		return modelEdit{}, nil
	}
	e, n := modelEdit{body: body}, 0
	whole := gjson.ParseBytes(body)
	if !whole.IsObject() {
		return modelEdit{}, nil
	}
	whole.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "model" {
			n++
			if value.Type == gjson.String {
				e.from, e.to = value.Index, value.Index+len(value.Raw)
			}
		}
		return true
	})
	if n != 1 || e.to == 0 || e.to > len(body) {
		return modelEdit{}, nil
	}
	return e, nil
}

// found says whether the body must be rewritten for the versions that have a
// model's name of their own.
func (e *modelEdit) found() bool { return e.body != nil }

// length is how long the body is for a version.
func (e *modelEdit) length(v *version) int64 {
	n := len(e.body)
	if v.rewrite != nil && v.rewrite.quoted != nil {
		n += len(v.rewrite.quoted) - (e.to - e.from)
	}
	return int64(n)
}

// appendBody writes the body for a version.
func (e *modelEdit) appendBody(out []byte, v *version) []byte {
	if v.rewrite == nil || v.rewrite.quoted == nil {
		return append(out, e.body...)
	}
	out = append(append(out, e.body[:e.from]...), v.rewrite.quoted...)
	return append(out, e.body[e.to:]...)
}
