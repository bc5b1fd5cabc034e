// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/router/fields"
	"github.com/headgate-dev/headgate/internal/router/httproute"
	"github.com/headgate-dev/headgate/internal/router/virtualservice"
)

// capabilities are what the serving stack can do beside carrying shares, and
// what the controller does itself whichever stack it is: copying the winner, and
// what becomes of the loser. Headgate's gateway is asked when it is started.
//
// Routes could limit a stage to some requests, but the stack's metrics count all
// of a version's together: the split that is seen would never be the one that
// was asked for, and a guardrail would compare different requests (D2).
func capabilities(kind experiment.RouterKind) []experiment.Capability {
	can := []experiment.Capability{experiment.CapCopy, experiment.CapRetire}
	switch kind {
	case experiment.RouterVirtualService:
		can = append(can, virtualservice.Capabilities()...)
	case experiment.RouterHTTPRoute:
		can = append(can, httproute.Capabilities()...)
	case experiment.RouterFields:
		can = append(can, fields.Capabilities()...)
	}
	return slices.DeleteFunc(can, func(c experiment.Capability) bool { return c == experiment.CapWhere })
}

// able reports what the plan needs and its router cannot do.
func (t *translator) able() {
	if t.own() {
		return
	}
	can := capabilities(t.router())
	for _, n := range t.plan.Needs() {
		path := t.indexed(n.Path)
		switch {
		case slices.Contains(can, n.Capability) || !t.clean(path):
			continue
		case n.Capability == experiment.CapSegments:
			t.unroutedSegments()
			continue
		}
		t.fail(path, "", fmt.Sprintf("the router %s cannot do this: %s", t.router(), n.Capability),
			"leave it out, or let Headgate's gateway carry the traffic: traffic: {gateway: {}}")
	}
	t.fieldsTogether()
	if t.plan.Strict || t.router() == experiment.RouterNone {
		return // It reads no pack, and leaves versions to its actions. None without strict is reported.
	}
	t.workloads()
	t.packs()
}

// fieldsTogether reports fields that are right one by one and cannot hold the
// shares together.
func (t *translator) fieldsTogether() {
	const path = "spec.traffic.fields"
	if t.router() != experiment.RouterFields || !t.clean("spec.traffic") || !t.clean("spec.versions") {
		return
	}
	if _, err := fields.New(t.plan); err != nil {
		t.fail(path, "", err.Error(), experiment.HintOf(err))
	}
}

// unroutedSegments reports what is asked of segments: a serving stack counts
// nobody apart.
func (t *translator) unroutedSegments() {
	for i, s := range t.api.Spec.Segments {
		t.fail(fmt.Sprintf("spec.segments[%d]", i), quote(s.Name), fmt.Sprintf("the router %s counts no group of requests apart", t.router()),
			"leave it out, with what asks for it, or let Headgate's gateway carry the traffic: traffic: {gateway: {}}")
	}
}

// namedPath is a path by the names of a list's members, as Plan.Needs gives it.
var namedPath = regexp.MustCompile(`^(spec\.(stages|metrics|versions))\[([^\]]+)\](.*)$`)

// indexed is a path with indexes, as the file has them.
func (t *translator) indexed(path string) string {
	m := namedPath.FindStringSubmatch(path)
	if m == nil {
		return path
	}
	i := -1
	switch m[2] {
	case "stages":
		i = slices.IndexFunc(t.plan.Stages, func(s experiment.Stage) bool { return s.Name == m[3] })
	case "metrics":
		i = slices.IndexFunc(t.plan.Metrics, func(x experiment.Metric) bool { return x.Name == m[3] })
	case "versions":
		i = slices.IndexFunc(t.plan.Versions, func(v experiment.Version) bool { return v.Name == m[3] })
	}
	if i < 0 {
		return m[1]
	}
	return fmt.Sprintf("%s[%d]%s", m[1], i, m[4])
}

// workloads wants the Deployments of versions that are copied, scaled down or
// deleted.
func (t *translator) workloads() {
	p, why := t.plan.Promote, ""
	switch {
	case p.How == experiment.PromoteCopy:
		why = "promote.how is copy"
	case p.Loser == experiment.LoserScaleDown, p.Loser == experiment.LoserDelete:
		why = "promote.loser is " + string(p.Loser)
	default:
		return
	}
	for i, v := range t.plan.Versions {
		if v.Workload == "" {
			t.fail(fmt.Sprintf("spec.versions[%d].workload", i), "", why+", and nobody knows what serves the version", "name its Deployment, for example workload: "+cmp.Or(v.Name, "v1")+"-model")
		}
	}
}

// maxControlID bounds the id of a person's wish.
const maxControlID = 63

// control checks a person's wish. It is no part of the plan.
func (t *translator) control() {
	c, path := t.api.Spec.Control, "spec.control"
	if c == nil {
		return
	}
	t.choice(path+".verb", c.Verb,
		string(experiment.VerbKill), string(experiment.VerbLift), string(experiment.VerbPause), string(experiment.VerbResume),
		string(experiment.VerbPromote), string(experiment.VerbAbort), string(experiment.VerbRetry), string(experiment.VerbApprove),
		string(experiment.VerbFreeze), string(experiment.VerbLearn))
	t.line(path+".id", c.ID, maxControlID)
	t.line(path+".reason", c.Reason, maxText)
	t.line(path+".author", c.Author, maxText)
	promotes := experiment.Verb(c.Verb) == experiment.VerbPromote
	switch {
	case c.Version == "":
	case !promotes:
		t.fail(path+".version", quote(c.Version), "a version goes with verb: promote", "leave version out")
	default:
		t.version(path+".version", quote(c.Version), c.Version)
	}
	switch {
	case !c.Override:
	case !promotes:
		t.fail(path+".override", "true", "an override goes with verb: promote", "leave override out")
	case c.Reason == "":
		t.fail(path+".reason", "", "an override needs a reason", "say why the version is promoted in spite of known harm")
	}
}
