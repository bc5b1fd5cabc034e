// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
)

// readOpenAI reads an answer of OpenAI's API: completions, of which each choice
// is a prediction, embeddings, responses, and the results of a reranker.
func readOpenAI(body any) Reading {
	m, _ := body.(map[string]any)
	if m["error"] != nil {
		return Reading{Found: Invalid}
	}
	if list, ok := m["choices"].([]any); ok {
		return readList(list, readChoice)
	}
	if list, ok := m["data"].([]any); ok {
		return readList(list, readEmbedding)
	}
	if list, ok := m["output"].([]any); ok && m["object"] == "response" {
		return readOne(list, readResponse)
	}
	if list, ok := m["results"].([]any); ok {
		return readOne(map[string]any{"ranking": list}, readValue)
	}
	return Reading{Found: Invalid}
}

// readChoice reads the text of a choice, or else the calls of tools, without
// their ids, which are new in every answer.
func readChoice(b *rowBuilder, v any) {
	choice, _ := v.(map[string]any)
	content := choice["text"]
	if message, ok := choice["message"].(map[string]any); ok {
		content = message["content"]
		calls, _ := message["tool_calls"].([]any)
		refusal, refused := message["refusal"].(string)
		switch {
		case content != nil && content != "":
		case len(calls) > 0:
			content = string(Canonical(called(calls)))
		case refused:
			content = refusal
		}
	}
	switch v := content.(type) {
	case string:
		b.Text, b.void = v, v == ""
	case []any:
		b.Text = parts(v)
		b.void = b.Text == ""
	default:
		b.null = true
	}
}

// called are the functions of calls.
func called(calls []any) []any {
	out := make([]any, 0, len(calls))
	for _, c := range calls {
		m, _ := c.(map[string]any)
		out = append(out, m["function"])
	}
	return out
}

// parts joins the texts of a content in parts.
func parts(list []any) string {
	var out strings.Builder
	for _, p := range list {
		m, _ := p.(map[string]any)
		if s, ok := m["text"].(string); ok {
			out.WriteString(s)
		}
	}
	return out.String()
}

// readResponse joins the texts of a response's messages and the functions that
// it calls.
func readResponse(b *rowBuilder, v any) {
	var out strings.Builder
	list, _ := v.([]any)
	for _, item := range list {
		m, _ := item.(map[string]any)
		switch m["type"] {
		case "message":
			content, _ := m["content"].([]any)
			out.WriteString(parts(content))
		case "function_call":
			out.Write(Canonical(map[string]any{"name": m["name"], "arguments": m["arguments"]}))
		}
	}
	b.Text = out.String()
	b.void = b.Text == ""
}

// readEmbedding reads an embedding: a list, or single floats of four bytes, the
// least first, in base64.
func readEmbedding(b *rowBuilder, v any) {
	m, _ := v.(map[string]any)
	b.plain = true
	switch v := m["embedding"].(type) {
	case []any:
		b.void = len(v) == 0
		if b.take(len(v)) {
			b.vector(v)
		}
	case string:
		raw, err := base64.StdEncoding.DecodeString(v)
		b.void = len(raw) == 0
		if err != nil || len(raw)%4 != 0 || !b.take(len(raw)/4) {
			return
		}
		list := make([]any, len(raw)/4)
		for i := range list {
			list[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		}
		b.vector(list)
	default:
		b.null = true
	}
}
