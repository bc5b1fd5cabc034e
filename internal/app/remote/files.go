// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/internal/experiment"
	shape "github.com/headgate-dev/headgate/internal/iter8"
	"github.com/headgate-dev/headgate/internal/translate"
)

// File is what somebody wrote, and what to call it.
type File struct {
	Name string
	Text []byte
}

// Files are experiments with their metrics, of Headgate's kinds and of Iter8's.
type Files struct {
	// Config leads to the cluster, which is asked for the metrics of Iter8 that no
	// file holds.
	Config *rest.Config
	// Namespace is that of objects that name none. Only says that it was asked for:
	// an experiment of another one is refused.
	Namespace string
	Only      bool

	// Skipped are objects beside Iter8's that are neither experiments nor metrics:
	// nothing is made of them.
	Skipped []string

	experiments []File
	metrics     [][]byte
	iter8       []foreign
	iter8Metric []iter8.Metric
}

// foreign is an experiment of Iter8 and the file that it is in.
type foreign struct {
	file string
	iter8.Experiment
}

// Read reads the plans of all experiments in files. Metrics, of either kind, are
// for all experiments of their kind, whatever file they are in.
func (f *Files) Read(ctx context.Context, files []File) ([]Planned, error) {
	for _, file := range files {
		if err := f.add(file, len(files)); err != nil {
			return nil, in(file.Name, err)
		}
	}
	var out []Planned
	for _, file := range f.experiments {
		p, err := f.native(file.Text)
		if err != nil {
			return nil, in(file.Name, err)
		}
		out = append(out, Planned{Plan: p})
	}
	for i := range f.iter8 {
		planned, err := f.translated(ctx, &f.iter8[i].Experiment)
		if err != nil {
			return nil, in(f.iter8[i].file, err)
		}
		out = append(out, planned)
	}
	if len(out) == 0 {
		return nil, experiment.Errorf(experiment.CodeInvalid, "the files hold metrics and no experiment")
	}
	for _, p := range out {
		if f.Only && p.Plan.Namespace != f.Namespace {
			return nil, experiment.Errorf(experiment.CodeInvalid, "%s is of another namespace than %s", p.Plan.ID(), f.Namespace).
				WithHint("leave -n out, or correct metadata.namespace")
		}
	}
	return out, nil
}

// Planned is a plan, and the experiment of Iter8 that it was made of; nil where it
// is Headgate's own.
type Planned struct {
	Plan  *experiment.Plan
	Iter8 *iter8.Experiment
}

// in says which file a mistake is in.
func in(file string, err error) error {
	return experiment.Errorf(experiment.CodeOf(err), "%s:\n%w", file, err).WithHint("%s", experiment.HintOf(err))
}

// add sorts a file's documents. A file without any of Iter8's is read as a whole,
// so that lines in problems are right.
func (f *Files) add(file File, of int) error {
	documents, err := split(file.Text)
	if err != nil || !slices.ContainsFunc(documents, isIter8) {
		if err == nil && translate.OnlyMetrics(file.Text) && of > 1 {
			f.metrics = append(f.metrics, file.Text)
			return nil
		}
		f.experiments = append(f.experiments, file)
		return nil
	}
	for _, d := range documents {
		text, err := yaml.Marshal(d)
		if err != nil {
			return experiment.Errorf(experiment.CodeInvalid, "%w", err)
		}
		switch kind := textAt(d, "kind"); {
		case isIter8(d) && kind == iter8.KindExperiment:
			e := foreign{file: file.Name}
			err = into(d, &e.Experiment)
			e.Namespace = orElse(e.Namespace, f.Namespace)
			f.iter8 = append(f.iter8, e)
		case isIter8(d) && kind == iter8.KindMetric:
			var m iter8.Metric
			err = into(d, &m)
			m.Namespace = orElse(m.Namespace, f.Namespace)
			f.iter8Metric = append(f.iter8Metric, m)
		case isIter8(d):
			return experiment.Errorf(experiment.CodeInvalid, "kind %s of Iter8 is not known", kind)
		case !strings.HasPrefix(textAt(d, "apiVersion"), "headgate.dev/"):
			f.Skipped = append(f.Skipped, strings.TrimSpace(kind+" "+textAt(d, "metadata", "name")))
		case translate.OnlyMetrics(text):
			f.metrics = append(f.metrics, text)
		default:
			f.experiments = append(f.experiments, File{file.Name, text})
		}
		if err != nil {
			return experiment.Errorf(experiment.CodeInvalid, "%s: %w", textAt(d, "metadata", "name"), err)
		}
	}
	return nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// native reads an experiment of Headgate's own kind. What is said of one that
// names no namespace has the lines of the file.
func (f *Files) native(text []byte) (*experiment.Plan, error) {
	p, err := translate.Plan(text, f.metrics...)
	if err == nil && p.Namespace != "" || f.Namespace == "" {
		return p, err
	}
	placed, changed := place(text, f.Namespace)
	if !changed {
		return p, err
	}
	p, after := translate.Plan(placed, f.metrics...)
	before, ok := errors.AsType[translate.Problems](err)
	left, both := errors.AsType[translate.Problems](after)
	if !ok || !both {
		return p, after
	}
	// A metric that is only not found in another namespace is no problem.
	before = slices.DeleteFunc(slices.Clone(before), func(x translate.Problem) bool {
		return !slices.ContainsFunc(left, func(y translate.Problem) bool { return x.Path == y.Path })
	})
	if len(before) == 0 {
		return nil, after
	}
	return nil, experiment.Errorf(experiment.CodeInvalid, "%w", before)
}

// translated makes the plan of an experiment of Iter8.
func (f *Files) translated(ctx context.Context, e *iter8.Experiment) (Planned, error) {
	infos, err := shape.Gather(e, func(r shape.Ref) (*iter8.Metric, error) { return f.metric(ctx, r) })
	if err != nil {
		return Planned{}, asInvalid(err)
	}
	made, err := shape.Native(e, shape.MetricsOf(infos))
	if err != nil {
		return Planned{}, asInvalid(err)
	}
	text, err := json.Marshal(made)
	if err != nil {
		return Planned{}, experiment.Errorf(experiment.CodeInternal, "write the experiment as JSON: %w", err)
	}
	p, err := translate.Plan(text)
	if err != nil {
		return Planned{}, err
	}
	e.Status.Metrics = infos
	return Planned{Plan: p, Iter8: e}, nil
}

// asInvalid gives an error that has no class that of a mistake in a file.
func asInvalid(err error) error {
	if _, ok := errors.AsType[*experiment.Error](err); ok {
		return err
	}
	return experiment.Errorf(experiment.CodeInvalid, "%w", err)
}

// metric finds a metric of Iter8: in the files, else in the cluster, where that
// knows the kind; nil where it is nowhere.
func (f *Files) metric(ctx context.Context, r shape.Ref) (*iter8.Metric, error) {
	for i := range f.iter8Metric {
		if m := &f.iter8Metric[i]; m.Namespace == r.Namespace && m.Name == r.Name {
			return m, nil
		}
	}
	c, err := connect(f.Config)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.FromAPIVersionAndKind(iter8.APIVersion, iter8.KindMetric))
	err = c.live.Get(ctx, types.NamespacedName{Namespace: r.Namespace, Name: r.Name}, u)
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, experiment.Errorf(experiment.CodeUnavailable, "read the metric %s of the cluster: %w", r, err).
			WithHint("or give its file: -f METRICS.yaml")
	}
	m := &iter8.Metric{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, m); err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the metric %s: %w", r, err)
	}
	return m, nil
}
