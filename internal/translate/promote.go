// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/headgate-dev/headgate/api/v1alpha1"
	"github.com/headgate-dev/headgate/internal/experiment"
)

func (t *translator) promote() {
	in, path := t.api.Spec.Promote, "spec.promote"
	if in == nil {
		return
	}
	if len(t.plan.Versions) == 1 {
		t.fail(path, "", "there is nobody to promote", "add a second version, or leave promote out")
	}
	t.option(path+".how", in.How, string(experiment.PromotePointer), string(experiment.PromoteCopy))
	t.option(path+".loser", in.Loser, string(experiment.LoserKeep), string(experiment.LoserScaleDown), string(experiment.LoserDelete))
	t.plan.Promote = experiment.Promotion{
		How:      cmp.Or(experiment.PromoteHow(in.How), experiment.PromotePointer),
		KeepWarm: t.keepWarm(path+".keepWarm", in.KeepWarm),
		Loser:    cmp.Or(experiment.Loser(in.Loser), experiment.LoserKeep),
	}
}

func (t *translator) keepWarm(path string, in *v1alpha1.KeepWarm) *experiment.KeepWarm {
	if in == nil {
		return nil
	}
	out := &experiment.KeepWarm{
		AtLeast:  t.duration(path+".atLeast", in.AtLeast, 0, 0),
		Matured:  slices.Clone(in.Matured),
		Approval: in.Approval,
		Holdback: t.shareOr(path+".holdback", in.Holdback, 0),
	}
	if out.AtLeast == 0 && len(in.Matured) == 0 && in.Approval == "" && t.clean(path) {
		t.fail(path, "", "one of atLeast, matured and approval is required", "for example keepWarm: {atLeast: 24h}")
	}
	for i, name := range in.Matured {
		at := fmt.Sprintf("%s.matured[%d]", path, i)
		switch m := t.known(at, name); {
		case m == nil:
		case m.Matures() == 0:
			t.fail(at, quote(name), "only metrics of outcomes and labels mature", "use atLeast")
		case slices.Contains(in.Matured[:i], name):
			t.fail(at, quote(name), "given twice", "")
		}
	}
	t.line(path+".approval", in.Approval, maxText)
	if out.Holdback >= experiment.Whole/2 {
		t.fail(path+".holdback", quote(string(in.Holdback)), "want less than 50%", "the winner has the rest")
	}
	return out
}

func (t *translator) budget() {
	in, path := t.api.Spec.Budget, "spec.budget"
	if in == nil {
		return
	}
	t.option(path+".onExceeded", in.OnExceeded, string(experiment.PolicyHold), string(experiment.PolicyRollback))
	out := &experiment.Budget{
		Cost:       t.amount(path+".cost", in.Cost),
		Units:      t.some(path+".units", in.Units, 0, maxCount),
		OnExceeded: cmp.Or(experiment.Policy(in.OnExceeded), experiment.PolicyHold),
	}
	if in.Duration != "" {
		out.Duration = t.duration(path+".duration", in.Duration, 0, t.plan.Window)
	}
	switch {
	case in.Cost == "" && in.Duration == "" && !t.given(path+".units"):
		t.fail(path, "", "one of cost, units and duration is required", `for example budget: {cost: "500", duration: 60d}`)
	case in.Units != 0 && len(t.plan.Versions) == 1:
		t.fail(path+".units", fmt.Sprint(in.Units), "units are counted that meet a candidate", "add a second version, or leave units out")
	}
	if in.Cost != "" && t.clean("spec.versions") && !slices.ContainsFunc(t.plan.Versions, func(v experiment.Version) bool { return v.Cost != experiment.Cost{} }) {
		t.fail(path+".cost", quote(string(in.Cost)), "no version has a cost", "add cost: {perRequest: …} to the versions")
	}
	t.plan.Budget = out
}
