// SPDX-License-Identifier: Apache-2.0

package action

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// What is taken of manifests and of other files.
const (
	maxFile      = 1 << 20
	maxManifests = 100
)

// apply applies manifests, in their order. Those before one that fails stay
// applied: applying them again changes nothing.
func (r *Runner) apply(ctx context.Context, j *job, a *experiment.ApplyAction) (result, error) {
	as, err := r.acting(&j.owner)
	if err != nil {
		return result{}, err
	}
	text := []byte(a.Manifest)
	if a.URL != "" {
		if text, err = r.fetch(ctx, a.URL); err != nil {
			return result{}, err
		}
	}
	objects, err := manifests(text)
	if err != nil {
		return result{}, hopeless(err)
	}
	for i := range objects {
		if err := as.apply(ctx, &objects[i], a.Namespace); err != nil {
			return result{}, err
		}
	}
	return result{why: fmt.Sprintf("%d objects applied", len(objects))}, nil
}

func (a *actor) apply(ctx context.Context, o *unstructured.Unstructured, namespace string) error {
	ref := experiment.ObjectRef{APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
	p, err := a.find(ctx, ref, namespace)
	if err != nil {
		return err
	}
	o.SetNamespace(p.namespace)
	o.SetManagedFields(nil)
	live, err := p.resource.Apply(ctx, p.name, o, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	if err != nil {
		return a.failure(err, "patch", p, "")
	}
	return a.supersede(ctx, p, o, live)
}

// manifests reads YAML documents; lists are their items.
func manifests(text []byte) ([]unstructured.Unstructured, error) {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var out []unstructured.Unstructured
	for n := 1; ; n++ {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var o unstructured.Unstructured
		if err == nil {
			err = yaml.UnmarshalStrict(doc, &o.Object)
		}
		switch {
		case err != nil:
			return nil, invalid("document %d of the manifests: %w", n, err)
		case len(o.Object) == 0:
			continue
		}
		items := []unstructured.Unstructured{o}
		if o.IsList() {
			list, err := o.ToList()
			if err != nil {
				return nil, invalid("document %d of the manifests: %w", n, err)
			}
			items = list.Items
		}
		if out = append(out, items...); len(out) > maxManifests {
			return nil, invalid("more than %d manifests", maxManifests)
		}
	}
	if len(out) == 0 {
		return nil, invalid("there is no manifest in it")
	}
	return out, nil
}

// fetch reads a file of at most a MiB: over HTTP, and on a laptop also from the
// disk. A file that is not there may be there at the next try.
func (r *Runner) fetch(ctx context.Context, from string) ([]byte, error) {
	u, err := url.Parse(from)
	switch {
	case err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
	case r.options.Laptop && !strings.Contains(from, "://"):
		return readFile(from)
	case err != nil:
		return nil, hopeless(invalid("%q is no URL", short(from, 100)))
	default:
		return nil, hopeless(invalid("%s: want a URL of http or https", where(u)))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, hopeless(invalid("%s: %s", where(u), reason(err)))
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, unanswered(u, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, judge(u, resp, "")
	}
	return limitedTo(resp.Body, where(u))
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, invalid("%w", err)
	}
	defer func() { _ = f.Close() }()
	return limitedTo(f, path)
}

func limitedTo(from io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	switch {
	case err != nil:
		return nil, unavailable("read %s: %s", name, reason(err))
	case len(text) > maxFile:
		return nil, hopeless(invalid("%s has more than %d MiB", name, maxFile>>20))
	}
	return bytes.TrimSpace(text), nil
}
