// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/pack"
)

// packs reports what the metrics of the serving stack cannot tell of the plan:
// its versions apart, or the limits of its latency metrics.
func (t *translator) packs() {
	const path = "spec.traffic.pack"
	name := t.plan.Router.Pack
	known := slices.DeleteFunc(pack.Names(), func(s string) bool { return s == "headgate" })
	switch {
	case name != "":
		t.choice(path, name, known...)
	case t.router() != experiment.RouterVirtualService:
		t.fail(path, "", "nobody says which metrics tell of the requests", "write pack: "+oneOf(known))
	}
	if !t.clean(path) || !t.clean("spec.versions") || !t.clean("spec.traffic") {
		return
	}
	shown := ""
	if name != "" {
		shown = quote(name)
	}
	k, err := pack.For(t.plan, name, pack.Options{})
	if err != nil {
		t.fail(path, shown, err.Error(), experiment.HintOf(err))
		return
	}
	for i, m := range t.plan.Metrics {
		at := fmt.Sprintf("spec.metrics[%d]", i)
		if m.Builtin == nil || m.Builtin.Kind != experiment.Latency || m.Builtin.Limit == 0 || !t.clean(at) {
			continue
		}
		if _, err := k.Exceedance(m.Builtin.Limit); err != nil {
			t.fail(at, quote(m.Name), err.Error(), experiment.HintOf(err))
		}
	}
}
