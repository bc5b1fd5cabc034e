// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/headgate-dev/headgate/api/iter8"
)

// split parses the documents of a file; empty ones are left out.
func split(text []byte) ([]*yaml.Node, error) {
	var out []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		n := new(yaml.Node)
		err := dec.Decode(n)
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		if len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
			out = append(out, n)
		}
	}
}

// OfIter8 reports whether a file holds anything of Iter8.
func OfIter8(text []byte) bool {
	documents, err := split(text)
	return err == nil && slices.ContainsFunc(documents, isIter8)
}

// isIter8 reports whether a document says that it is one of Iter8's.
func isIter8(d *yaml.Node) bool {
	return strings.HasPrefix(textAt(d, "apiVersion"), iter8.Group+"/")
}

// textAt is the text below fields of a document, or empty.
func textAt(d *yaml.Node, fields ...string) string {
	n := d.Content[0]
	for _, f := range fields {
		var next *yaml.Node
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == f {
				next = n.Content[i+1]
			}
		}
		if next == nil {
			return ""
		}
		n = next
	}
	return n.Value
}

// into reads a document as the API server would.
func into(d *yaml.Node, object any) error {
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, object)
}

// place puts documents that name no namespace into one; changed says that there
// was any.
func place(text []byte, namespace string) (out []byte, changed bool) {
	documents, err := split(text)
	if err != nil {
		return nil, false
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	for _, d := range documents {
		var v map[string]any
		if d.Decode(&v) != nil {
			return nil, false
		}
		if metadata, ok := v["metadata"].(map[string]any); ok && metadata["namespace"] == nil {
			metadata["namespace"], changed = namespace, true
		}
		if enc.Encode(v) != nil {
			return nil, false
		}
	}
	return b.Bytes(), changed
}
