// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"

	api "github.com/headgate-dev/headgate/api/iter8"
)

// Bounds of what is read.
const (
	maxFile      = 1 << 20
	maxDocuments = 64
)

// File is what files of Iter8's users hold. Documents of other kinds, such as
// namespaces, are passed over.
type File struct {
	Experiments []api.Experiment
	Metrics     []api.Metric
}

// Read reads files of YAML or JSON; a list is its items.
func Read(files ...[]byte) (*File, error) {
	out := &File{}
	for _, data := range files {
		if len(data) > maxFile {
			return nil, fmt.Errorf("a file is larger than %d bytes", maxFile)
		}
		documents, err := split(data)
		if err != nil {
			return nil, err
		}
		for _, doc := range documents {
			if err := out.add(doc); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// split gives the documents of a file as JSON. A panic of the parser, which is
// not ours, is an error of the file.
func split(data []byte) (out [][]byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML: the parser gave up: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for range maxDocuments {
		var node yaml.Node
		switch err := dec.Decode(&node); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("not YAML: %w", err)
		}
		if node.Content[0].Tag == "!!null" {
			continue
		}
		text, err := yaml.Marshal(&node)
		if err != nil {
			return nil, fmt.Errorf("not YAML: %w", err)
		}
		if len(text) > 4*maxFile {
			return nil, fmt.Errorf("a document is larger than %d bytes", 4*maxFile)
		}
		doc, err := kyaml.YAMLToJSON(text)
		if err != nil {
			return nil, fmt.Errorf("not YAML: %w", err)
		}
		out = append(out, doc)
	}
	return nil, fmt.Errorf("more than %d documents", maxDocuments)
}

// add reads a document.
func (f *File) add(doc []byte) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Items []any `json:"items"`
	}
	if err := kyaml.Unmarshal(doc, &head); err != nil {
		return nil // Something else.
	}
	if len(head.Items) > 0 && (head.APIVersion == "v1" || head.APIVersion == api.APIVersion) {
		for _, item := range head.Items {
			each, err := kyaml.Marshal(item)
			if err == nil {
				err = f.add(each)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if head.APIVersion != api.APIVersion {
		return nil
	}
	switch head.Kind {
	case api.KindExperiment:
		var e api.Experiment
		if err := kyaml.Unmarshal(doc, &e); err != nil {
			return fmt.Errorf("experiment %s: %w", head.Metadata.Name, err)
		}
		f.Experiments = append(f.Experiments, e)
	case api.KindMetric:
		var m api.Metric
		if err := kyaml.Unmarshal(doc, &m); err != nil {
			return fmt.Errorf("metric %s: %w", head.Metadata.Name, err)
		}
		f.Metrics = append(f.Metrics, m)
	}
	return nil
}

// Get finds a metric of the file. One that names no namespace is taken for one
// of any.
func (f *File) Get(ref Ref) (*api.Metric, error) {
	for i := range f.Metrics {
		if m := &f.Metrics[i]; m.Name == ref.Name && m.Namespace == ref.Namespace {
			return m, nil
		}
	}
	for i := range f.Metrics {
		if m := &f.Metrics[i]; m.Name == ref.Name && m.Namespace == "" {
			return m, nil
		}
	}
	return nil, nil
}
