// SPDX-License-Identifier: Apache-2.0

package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// protocol is a way in which clients ask models.
type protocol struct {
	name   string
	method string
	// path and body name the model ranker, if the protocol names models at all;
	// asPath and asBody are how a version that knows it as ranker-2 is asked.
	path, body     string
	asPath, asBody string
	// kind is the answer's content type; says is in the answer of the version
	// that the verb stands for.
	kind, says string
}

func protocols() []protocol {
	const chat = `{"model":"ranker","messages":[{"role":"user","content":"rank these"}]%s}`
	streamed := fmt.Sprintf(chat, `,"stream":true`)
	plain := fmt.Sprintf(chat, "")
	return []protocol{
		{
			name: "OIP v2", method: "POST", path: "/v2/models/ranker/infer", asPath: "/v2/models/ranker-2/infer",
			body: `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}`,
			kind: "application/json", says: `"model_name":"%s"`,
		},
		{
			name: "KServe v1", method: "POST", path: "/v1/models/ranker:predict", asPath: "/v1/models/ranker-2:predict",
			body: `{"instances":[[1,2]]}`, kind: "application/json", says: `{"predictions":["%s"]}`,
		},
		{
			name: "Seldon v1", method: "POST", path: "/seldon/shop/ranker/api/v1.0/predictions",
			body: `{"data":{"ndarray":[[1,2]]}}`, kind: "application/json", says: `"requestPath":{"ranker":"shop/ranker:%s"}`,
		},
		{
			name: "OpenAI", method: "POST", path: "/v1/chat/completions", body: plain, asBody: strings.Replace(plain, `"ranker"`, `"ranker-2"`, 1),
			kind: "application/json", says: `"content":"by %s"`,
		},
		{
			name: "OpenAI, streamed", method: "POST", path: "/v1/chat/completions", body: streamed, asBody: strings.Replace(streamed, `"ranker"`, `"ranker-2"`, 1),
			kind: "text/event-stream", says: `data: {"choices":[{"delta":{"content":"by %s"}}]}`,
		},
		{
			name: "anything", method: "PUT", path: "/items/%2Fa?q=%20b&q=", body: "plain text, no JSON {",
			kind: "text/plain", says: "by %s",
		},
	}
}

// newModel is a model server that speaks all protocols. Its answers tell what
// it was asked.
func newModel(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // The gateway broke off: the test says why.
		}
		sum := sha256.Sum256(body)
		h := w.Header()
		h.Set("X-Model", name)
		h.Set("X-Asked-Path", r.RequestURI)
		h.Set("X-Asked-Body", hex.EncodeToString(sum[:]))
		h.Set("X-Asked-As", r.Header.Get("X-Headgate-Experiment")+"/"+r.Header.Get("X-Headgate-Version"))
		if puid := r.Header.Get("Seldon-Puid"); puid != "" {
			h.Set("Seldon-Puid", puid)
		}
		h.Set("Content-Type", "application/json")
		answer(w, r, name, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// answer answers in the words of the protocol that was asked.
func answer(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/v2/models/"):
		_, _ = fmt.Fprintf(w, `{"model_name":%q,"outputs":[{"name":"y","shape":[1],"datatype":"FP32","data":[0.5]}]}`, name)
	case strings.HasSuffix(path, ":predict"):
		_, _ = fmt.Fprintf(w, `{"predictions":[%q]}`, name)
	case strings.HasSuffix(path, "/feedback"):
		_, _ = w.Write(body)
	case strings.HasSuffix(path, "/predictions"):
		_, _ = fmt.Fprintf(w, `{"meta":{"puid":%q,"tags":{"a":1.50},"metrics":[{"key":"m","type":"GAUGE","value":1e0}],"requestPath":{"ranker":"shop/ranker:%s"}},"data":{"ndarray":[[0.5]]}}`,
			r.Header.Get("Seldon-Puid"), name)
	case path == "/v1/chat/completions":
		chat(w, name, body)
	default:
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "by "+name)
	}
}

// chat answers a chat, whole or in events.
func chat(w http.ResponseWriter, name string, body []byte) {
	var asked struct{ Stream bool }
	if err := json.Unmarshal(body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !asked.Stream {
		_, _ = fmt.Fprintf(w, `{"object":"chat.completion","choices":[{"message":{"content":"by %s"}}],"usage":{"total_tokens":7}}`, name)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, text := range []string{"well", "by " + name} {
		_, _ = fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", text)
		_ = http.NewResponseController(w).Flush()
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}
