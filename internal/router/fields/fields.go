// SPDX-License-Identifier: Apache-2.0

// Package fields carries a split in any fields of any objects that hold shares,
// each version's share in one: whole percents, or quantities of one such as
// "500m". It does nothing but write these fields, so what it can be used for is
// what the stack makes of them. One version may have no field where the stack
// gives it what the others leave.
//
// A field keeps the form that it has. A number is a percent. A text is a
// quantity of one, counted in thousandths, but for annotations, which are all
// text: there it is a percent. A field that is not there becomes a number, if
// what it belongs in is there. A split that a field cannot hold is rounded, so
// that the sum stays 100 % and no share is lost.
package fields

import (
	"slices"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router"
)

// field is one version's field.
type field struct {
	version int
	object  int // index in Router.refs
	path    router.Path
}

// Router renders one plan's shares into fields.
type Router struct {
	versions []experiment.Version
	refs     []router.Ref
	fields   []field
	// inferred is the version that gets what the others leave; -1 is none.
	inferred int
}

// New reads the plan's fields.
func New(p *experiment.Plan) (*Router, error) {
	r := &Router{versions: p.Versions, inferred: -1}
	given := make([]bool, len(p.Versions))
	for i, f := range p.Router.Fields {
		if f.Version < 0 || f.Version >= len(p.Versions) {
			return nil, invalid("field %d is of version %d of %d", i, f.Version, len(p.Versions))
		}
		name := p.Versions[f.Version].Name
		if given[f.Version] {
			return nil, invalid("version %s has two fields", name).WithHint("a version has one field that holds its share")
		}
		given[f.Version] = true
		path, err := router.ParsePath(f.Path)
		if err != nil {
			return nil, experiment.Errorf(experiment.CodeInvalid, "version %s: %w", name, err).WithHint("%s", experiment.HintOf(err))
		}
		object, err := r.object(f, p.Namespace)
		if err != nil {
			return nil, err
		}
		if k := slices.IndexFunc(r.fields, func(o field) bool {
			return o.object == object && (within(o.path, path) || within(path, o.path))
		}); k >= 0 {
			return nil, invalid("versions %s and %s have the same field %s", p.Versions[r.fields[k].version].Name, name, path).
				WithHint("each version's share stands in a field of its own")
		}
		r.fields = append(r.fields, field{f.Version, object, path})
	}
	return r, r.complete(given)
}

// within reports whether path a leads to b or below it.
func within(a, b router.Path) bool {
	return len(a) >= len(b) && slices.Equal(a[:len(b)], b)
}

// object finds or adds the object of a field.
func (r *Router) object(f experiment.ShareField, namespace string) (int, error) {
	if f.Kind == "" || f.Name == "" || f.APIVersion == "" || strings.Count(f.APIVersion, "/") > 1 {
		return 0, invalid("version %s: field of %s %s %q", r.versions[f.Version].Name, f.APIVersion, f.Kind, f.Name).
			WithHint("say apiVersion, kind and name of the object, for example serving.knative.dev/v1, Service and app")
	}
	group, version, ok := strings.Cut(f.APIVersion, "/")
	if !ok {
		group, version = "", f.APIVersion
	}
	if f.Namespace != "" {
		namespace = f.Namespace
	}
	ref := router.Ref{Group: group, Versions: []string{version}, Kind: f.Kind, Namespace: namespace, Name: f.Name}
	if i := slices.IndexFunc(r.refs, func(o router.Ref) bool {
		return o.Group == ref.Group && o.Kind == ref.Kind && o.Namespace == ref.Namespace && o.Name == ref.Name
	}); i >= 0 {
		if !slices.Equal(r.refs[i].Versions, ref.Versions) {
			return 0, invalid("%s %s is named in apiVersions %s and %s", f.Kind, f.Name, r.refs[i].Versions[0], version).WithHint("name an object in one apiVersion")
		}
		return i, nil
	}
	r.refs = append(r.refs, ref)
	return len(r.refs) - 1, nil
}

// complete finds the version without a field.
func (r *Router) complete(given []bool) error {
	for v, ok := range given {
		switch {
		case ok:
		case r.inferred >= 0:
			return invalid("versions %s and %s have no field in spec.traffic.fields", r.versions[r.inferred].Name, r.versions[v].Name).
				WithHint("at most one version may have none: its share is what the others leave")
		default:
			r.inferred = v
		}
	}
	if len(r.fields) == 0 {
		return invalid("spec.traffic names no fields")
	}
	if r.inferred < 0 {
		return nil
	}
	for _, ref := range r.refs {
		if relative(ref) {
			return invalid("version %s has no field in spec.traffic.fields, but the weights of %s %s are relative to each other", r.versions[r.inferred].Name, ref.Kind, ref.Name).
				WithHint("name the field of every version")
		}
	}
	return nil
}

// relative reports whether a kind's weights say nothing alone.
func relative(ref router.Ref) bool {
	return slices.Contains([]string{
		"split.smi-spec.io/TrafficSplit", "networking.istio.io/VirtualService", "gateway.networking.k8s.io/HTTPRoute",
		"gateway.networking.k8s.io/GRPCRoute", "mlops.seldon.io/Experiment", "serving.kserve.io/LLMInferenceService",
	}, ref.Group+"/"+ref.Kind)
}

func invalid(format string, args ...any) *experiment.Error {
	return experiment.Errorf(experiment.CodeInvalid, format, args...)
}

// Kind is RouterFields.
func (r *Router) Kind() experiment.RouterKind { return experiment.RouterFields }

// Refs names the objects in the order of the plan's fields.
func (r *Router) Refs() []router.Ref { return slices.Clone(r.refs) }

// Capabilities are none beside shares of whole percents: a field says nothing of
// requests.
func (r *Router) Capabilities() []experiment.Capability { return Capabilities() }

// Capabilities are those of every Router.
func Capabilities() []experiment.Capability { return nil }

// Owned are the fields of object i.
func (r *Router) Owned(i int) []string {
	var out []string
	for _, f := range r.fields {
		if f.object == i {
			out = append(out, f.path.Pointer())
		}
	}
	return out
}

// Render writes the shares into the fields.
func (r *Router) Render(objects []router.Object, t router.Traffic) ([]router.Object, error) {
	if err := r.open(objects, &t); err != nil {
		return nil, err
	}
	out := make([]router.Object, len(objects))
	for i := range objects {
		out[i] = router.Copy(objects[i])
	}
	forms := make([]form, len(r.fields))
	total := int64(thousandths)
	for i, f := range r.fields {
		v, err := r.at(objects, f, &t)
		if err != nil {
			return nil, err
		}
		if forms[i] = gone; !f.lost(objects, &t) {
			forms[i] = formOf(f.path, v)
		}
		total = min(total, forms[i].units())
	}
	if seen, _, err := r.asked(objects, &t); err == nil && slices.Equal(seen, t.Shares) && r.allThere(objects) {
		return out, nil // Relative weights that say the same in other numbers.
	}
	parts, err := r.parts(&t, total)
	if err != nil {
		return nil, err
	}
	for i, f := range r.fields {
		if forms[i] == gone {
			continue
		}
		if err := f.path.Set(out[f.object], forms[i].write(parts[f.version], total)); err != nil {
			return nil, r.in(f, err)
		}
	}
	return out, nil
}

// lost reports whether a field has nowhere to be, and needs none: on the way back
// a candidate whose entry was removed has what it is to have.
func (f *field) lost(objects []router.Object, t *router.Traffic) bool {
	_, _, err := f.path.Field(objects[f.object])
	return err != nil && t.WayBack() && t.Shares[f.version] == 0
}

// parts are the shares in units of which total are everything.
func (r *Router) parts(t *router.Traffic, total int64) ([]int64, error) {
	return router.Round(t.Shares, t.Versions, total)
}

// open checks what Render and Read are given.
func (r *Router) open(objects []router.Object, t *router.Traffic) error {
	if err := t.Check(); err != nil {
		return err
	}
	if len(objects) != len(r.refs) || len(t.Shares) != len(r.versions) {
		return experiment.Errorf(experiment.CodeInternal, "%d objects and %d shares: want %d and %d", len(objects), len(t.Shares), len(r.refs), len(r.versions))
	}
	for i, o := range objects {
		if got := router.Text(o, "kind"); got != r.refs[i].Kind {
			return invalid("kind is %q: want %s", got, r.refs[i].Kind)
		}
	}
	if err := r.heeded(objects); err != nil && !t.WayBack() {
		return err
	}
	if len(t.Where)+len(t.Overrides) > 0 || t.Mirror != nil || t.Cohort != "" {
		return invalid("fields hold shares and nothing else: they cannot tell requests apart or copy them").
			WithHint("leave cohort, overrides, where and mirror out, or choose another router")
	}
	return nil
}

// heeded reports a field that its stack ignores: KServe takes the canary's percent
// on Knative alone.
func (r *Router) heeded(objects []router.Object) error {
	for _, f := range r.fields {
		o := objects[f.object]
		if r.refs[f.object].Kind != "InferenceService" || f.path[len(f.path)-1] != "canaryTrafficPercent" {
			continue
		}
		mode := router.Text(o, "status", "deploymentMode")
		if mode == "" {
			mode = router.Text(o, "metadata", "annotations", "serving.kserve.io/deploymentMode")
		}
		if mode == "Standard" || mode == "RawDeployment" {
			return r.in(f, invalid("KServe ignores canaryTrafficPercent in the mode %s", mode).
				WithHint("put the versions behind an HTTPRoute or a VirtualService, and let that carry the traffic"))
		}
	}
	return nil
}

// in says of which field an error is.
func (r *Router) in(f field, err error) error {
	ref := r.refs[f.object]
	return experiment.Errorf(experiment.CodeOf(err), "%s %s, version %s: %w", ref.Kind, ref.Name, r.versions[f.version].Name, err).WithHint("%s", experiment.HintOf(err))
}
