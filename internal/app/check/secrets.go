// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// secretNames lists the Secret objects that a plan's providers and actions name,
// each once.
func secretNames(p *experiment.Plan) []string {
	var all []*experiment.Secret
	for i := range p.Providers {
		all = append(all, providerSecrets(&p.Providers[i])...)
	}
	for _, h := range experiment.Hooks() {
		for _, a := range p.Actions.Of(h) {
			all = append(all, actionSecrets(&a)...)
		}
	}
	var names []string
	for _, s := range all {
		if s != nil && s.Name != "" && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// providerSecrets are those of a provider; some may be nil.
func providerSecrets(p *experiment.Provider) []*experiment.Secret {
	var out []*experiment.Secret
	if x := p.Prometheus; x != nil {
		out = append(out, x.Password, x.Token, x.CA, x.Certificate, x.Key)
	}
	if x := p.HTTP; x != nil {
		out = append(out, x.Password, x.Token, x.CA, x.Certificate, x.Key)
		out = append(out, named(x.Secrets)...)
	}
	if x := p.SQL; x != nil {
		out = append(out, x.Postgres)
	}
	return out
}

// actionSecrets are those of an action; some may be nil.
func actionSecrets(a *experiment.Action) []*experiment.Secret {
	var out []*experiment.Secret
	if x := a.Webhook; x != nil {
		out = append(out, x.Password, x.Token, x.Sign)
		out = append(out, named(x.Secrets)...)
	}
	if x := a.Slack; x != nil {
		out = append(out, x.Token, x.Webhook)
	}
	if x := a.Git; x != nil {
		out = append(out, x.Token)
	}
	return out
}

func named(list []experiment.NamedSecret) []*experiment.Secret {
	out := make([]*experiment.Secret, len(list))
	for i := range list {
		out[i] = &list[i].Secret
	}
	return out
}
