// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDocuments is how many documents of a file are read.
const maxDocuments = 64

// parse gives the roots of a file's documents, without those that hold nothing.
// A panic of the parser, which is not ours, is an error of the file.
func parse(data []byte) (roots []*yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(plainJSON(data)))
	for range maxDocuments {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return roots, nil
		case err != nil:
			return nil, err
		}
		if root := doc.Content[0]; root.Tag != "!!null" {
			roots = append(roots, root)
		}
	}
	return nil, fmt.Errorf("more than %d documents", maxDocuments)
}

// jsonEscape is an escape of JSON: a pair of surrogates or any other.
var jsonEscape = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\.`)

// plainJSON writes out what JSON escapes and the YAML parser does not know:
// slashes and pairs of surrogates. Other files stay as they are.
func plainJSON(data []byte) []byte {
	if !json.Valid(data) {
		return data
	}
	return jsonEscape.ReplaceAllFunc(data, func(escape []byte) []byte {
		if len(escape) == 2 && escape[1] != '/' {
			return escape
		}
		var s string
		if json.Unmarshal(slices.Concat([]byte{'"'}, escape, []byte{'"'}), &s) != nil {
			return escape
		}
		return []byte(s)
	})
}

// notYAML reports what the parser could not read, and its line if it says so.
func (d *decoder) notYAML(data []byte, err error) {
	message, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if _, serr := fmt.Sscanf(message, "line %d: ", &line); serr == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	hint := ""
	if bytes.HasPrefix(data, []byte("\t")) || bytes.Contains(data, []byte("\n\t")) {
		hint = "indent with spaces, not tabs"
	}
	d.add("", line, "", "not YAML: "+message, hint)
}
