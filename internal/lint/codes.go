// SPDX-License-Identifier: Apache-2.0

package lint

import "slices"

//go:generate go test . -run TestFindingsReference -update

// Code is a stable name for a finding. Codes are never reused or renumbered.
type Code string

// Entry describes a code: the message with {placeholders}, why it matters and
// what to do.
type Entry struct {
	Code     Code
	Severity Severity
	Text     string
	Why      string
	Remedy   string
}

// Catalogue lists every finding in order. The reference page is generated from
// it.
func Catalogue() []Entry { return slices.Clone(catalogue) }

// The findings. Hundreds group them: 0 what the validator refuses, 1 people and
// ends, 2 what is watched, 3 statistics, 4 exposure, 5 mirrors, 6 bandits, 7
// promotion and cost.
const (
	CodeRefused          Code = "HG-L001"
	CodeNoOwner          Code = "HG-L101"
	CodeNoHypothesis     Code = "HG-L102"
	CodeNoEnd            Code = "HG-L103"
	CodeApprovalOfNobody Code = "HG-L104"
	CodeFork             Code = "HG-L105"
	CodeNoHorizon        Code = "HG-L106"
	CodeNoGuardrail      Code = "HG-L201"
	CodeNoSlice          Code = "HG-L202"
	CodeQualityBlind     Code = "HG-L203"
	CodeImmature         Code = "HG-L204"
	CodeHalfUnjudged     Code = "HG-L205"
	CodePerRequest       Code = "HG-L206"
	CodeMirrorOnly       Code = "HG-L207"
	CodeRewardUndecided  Code = "HG-L208"
	CodeNoObjective      Code = "HG-L209"
	CodeUnused           Code = "HG-L210"
	CodeNotLabelled      Code = "HG-L211"
	CodeRowsGone         Code = "HG-L212"
	CodeLooseDrift       Code = "HG-L213"
	CodeComputed         Code = "HG-L214"
	CodeNotNamed         Code = "HG-L215"
	CodeThinWindow       Code = "HG-L216"
	CodeBareSecret       Code = "HG-L217"
	CodeAlpha            Code = "HG-L301"
	CodeLooks            Code = "HG-L302"
	CodeYears            Code = "HG-L303"
	CodeTiny             Code = "HG-L304"
	CodeNeverReached     Code = "HG-L305"
	CodeUnderpowered     Code = "HG-L306"
	CodeNoErrorRate      Code = "HG-L307"
	CodePeeking          Code = "HG-L308"
	CodeShort            Code = "HG-L309"
	CodeTooFew           Code = "HG-L310"
	CodeUneven           Code = "HG-L311"
	CodeManyTests        Code = "HG-L312"
	CodeUnshown          Code = "HG-L313"
	CodeAlreadyOver      Code = "HG-L314"
	CodePromotesAnyway   Code = "HG-L315"
	CodeFewWindows       Code = "HG-L316"
	CodeNoRequests       Code = "HG-L401"
	CodeFirstStep        Code = "HG-L402"
	CodeNoSettle         Code = "HG-L403"
	CodeNoProbe          Code = "HG-L404"
	CodeLeap             Code = "HG-L405"
	CodeLeftOut          Code = "HG-L406"
	CodeCold             Code = "HG-L407"
	CodeNoSoak           Code = "HG-L408"
	CodeSwitchFirst      Code = "HG-L409"
	CodeUnlimited        Code = "HG-L501"
	CodeShadowForever    Code = "HG-L502"
	CodeNoGate           Code = "HG-L503"
	CodeSideEffects      Code = "HG-L504"
	CodeModelName        Code = "HG-L505"
	CodeNoMinimum        Code = "HG-L601"
	CodeNoRange          Code = "HG-L602"
	CodeTooEager         Code = "HG-L603"
	CodeBanditAlone      Code = "HG-L604"
	CodeNoCaps           Code = "HG-L605"
	CodeNotJoined        Code = "HG-L606"
	CodeFallback         Code = "HG-L607"
	CodeNoStep           Code = "HG-L608"
	CodeExplore          Code = "HG-L609"
	CodeDeleted          Code = "HG-L701"
	CodeRetiredEarly     Code = "HG-L702"
	CodeShortWarm        Code = "HG-L703"
	CodeGoneCold         Code = "HG-L704"
	CodeParts            Code = "HG-L705"
	CodeNoBudget         Code = "HG-L706"
	CodeOverBudget       Code = "HG-L707"
	CodeCopied           Code = "HG-L708"
)

var catalogue = slices.Concat(refusedEntries, peopleEntries, watchedEntries, statisticsEntries, exposureEntries, mirrorEntries, banditEntries, promotionEntries)
