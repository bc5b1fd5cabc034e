// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"slices"

	api "github.com/headgate-dev/headgate/api/iter8"
	"github.com/headgate-dev/headgate/api/v1alpha1"
)

// secretName is the name of a Secret object that an experiment may read: one of
// its own namespace. Iter8 read those of any namespace under rights of its own, so
// that whoever could write a metric could read every secret; here nobody reads
// more than the experiment's namespace holds.
func secretName(e *api.Experiment, written string) (string, bool) {
	r := refOf(written, namespaceOf(e))
	return r.Name, r.Namespace == namespaceOf(e) && r.Name != ""
}

// credentials reads where a metric's request goes and how it says who asks.
// Placeholders stand for keys of the secret, where there is one; else texts are
// literal.
func (m *measures) credentials(metric *api.Metric) (*v1alpha1.HTTPProvider, *Problem) {
	s, name := &metric.Spec, metric.Namespace+"/"+metric.Name
	out := &v1alpha1.HTTPProvider{URL: *s.URLTemplate}
	kind, secret, ok := api.AuthType(""), "", true
	if s.AuthType != nil {
		kind = *s.AuthType
	}
	if s.Secret != nil {
		if secret, ok = secretName(m.e, *s.Secret); !ok {
			return nil, unreadable(name, "the secret %s is of another namespace: copy it to %s, and write its name alone", *s.Secret, namespaceOf(m.e))
		}
		out.URL = keyed(out.URL, secret, &out.Secrets)
	}
	if kind == api.Basic {
		if s.Secret == nil {
			return nil, unreadable(name, "authType: Basic needs a secret with the keys username and password")
		}
		out.Username = keyed("${username}", secret, &out.Secrets)
		out.Password = &v1alpha1.Secret{Name: secret, Key: "password"}
	}
	for _, h := range s.HeaderTemplates {
		value := h.Value
		if s.Secret != nil && (kind == api.Bearer || kind == api.APIKey) {
			value = keyed(value, secret, &out.Secrets)
		}
		out.Headers = append(out.Headers, v1alpha1.NameValue{Name: h.Name, Value: value})
	}
	return out, nil
}

// keyed turns the placeholders of a text into native ones, each a key of a Secret
// object, and notes these.
func keyed(s, secret string, into *[]v1alpha1.NamedSecret) string {
	return fill(s, func(s string) string { return s }, func(name, _ string) (string, bool) {
		if !slices.ContainsFunc(*into, func(n v1alpha1.NamedSecret) bool { return n.As == name }) {
			*into = append(*into, v1alpha1.NamedSecret{As: name, Secret: v1alpha1.Secret{Name: secret, Key: name}})
		}
		return "${" + name + "}", true
	})
}
