// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// plainPath is a request's path without its query and without a slash at its
// end.
func plainPath(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return strings.TrimRight(path, "/")
}

// IsExplanation reports whether a request's path asks for an explanation: KServe
// v1's :explain, OIP's /explain or Seldon's /explanations.
func IsExplanation(path string) bool {
	path = plainPath(path)
	return strings.HasSuffix(path, ":explain") ||
		strings.HasSuffix(path, "/explain") && strings.Contains(path, "/v2/models/") ||
		strings.HasSuffix(path, "/explanations")
}

// protocolOfPath is the protocol that a request's path is of, or nothing.
func protocolOfPath(path string) experiment.Protocol {
	path = plainPath(path)
	is := func(ends ...string) bool {
		for _, end := range ends {
			if strings.HasSuffix(path, end) {
				return true
			}
		}
		return false
	}
	switch {
	case strings.Contains(path, "/v2/models/") && is("/infer", "/generate"):
		return experiment.ProtocolOIP
	case strings.Contains(path, "/v1/models/") && is(":predict", ":classify", ":regress"):
		return experiment.ProtocolKServe
	case is("/api/v1.0/predictions", "/api/v0.1/predictions"):
		return experiment.ProtocolSeldon
	case strings.Contains(path, "/v1/") && is("/completions", "/embeddings", "/responses", "/rerank"):
		return experiment.ProtocolOpenAI
	default:
		return ""
	}
}

// protocolOf is the protocol of an answer or a request: as declared, or as its
// path says, or as it looks.
func (r *Reader) protocolOf(body any, path string) experiment.Protocol {
	if r.protocol != "" {
		return r.protocol
	}
	if p := protocolOfPath(path); p != "" {
		return p
	}
	m, _ := body.(map[string]any)
	switch {
	case hasTensors(m["outputs"]) || hasTensors(m["inputs"]):
		return experiment.ProtocolOIP
	case isList(m["predictions"]) || isList(m["instances"]):
		return experiment.ProtocolKServe
	case looksLikeSeldon(m):
		return experiment.ProtocolSeldon
	case looksLikeOpenAI(m):
		return experiment.ProtocolOpenAI
	default:
		return experiment.ProtocolJSON
	}
}

func isList(v any) bool {
	_, ok := v.([]any)
	return ok
}

// first is the first element of a list if that is an object, or nil.
func first(v any) map[string]any {
	if list, _ := v.([]any); len(list) > 0 {
		m, _ := list[0].(map[string]any)
		return m
	}
	return nil
}

func hasTensors(v any) bool {
	t := first(v)
	return t["datatype"] != nil && t["shape"] != nil
}

func looksLikeSeldon(m map[string]any) bool {
	data, _ := m["data"].(map[string]any)
	return data["ndarray"] != nil || data["tensor"] != nil || data["tftensor"] != nil ||
		m["strData"] != nil || m["jsonData"] != nil || m["binData"] != nil
}

func looksLikeOpenAI(m map[string]any) bool {
	choice := first(m["choices"])
	return choice["message"] != nil || choice["text"] != nil || first(m["data"])["embedding"] != nil ||
		m["object"] == "response" || isList(m["messages"])
}
