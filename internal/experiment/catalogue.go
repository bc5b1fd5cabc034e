// SPDX-License-Identifier: Apache-2.0

package experiment

// The reason codes. Hundreds group them: 1 the run of the experiment, 2
// holding, 3 harm, 4 trust, 5 endings, 6 people.
const (
	ReasonStarted        ReasonCode = "HG-D101"
	ReasonStageEntered   ReasonCode = "HG-D102"
	ReasonStepHeld       ReasonCode = "HG-D103"
	ReasonStageDone      ReasonCode = "HG-D104"
	ReasonShares         ReasonCode = "HG-D105"
	ReasonWarm           ReasonCode = "HG-D106"
	ReasonGoesOn         ReasonCode = "HG-D107"
	ReasonEdited         ReasonCode = "HG-D108"
	ReasonPlannedAnew    ReasonCode = "HG-D109"
	ReasonIterated       ReasonCode = "HG-D110"
	ReasonLoopDone       ReasonCode = "HG-D111"
	ReasonNeedRequests   ReasonCode = "HG-D201"
	ReasonNeedWindows    ReasonCode = "HG-D202"
	ReasonNeedTime       ReasonCode = "HG-D203"
	ReasonNeedUnits      ReasonCode = "HG-D204"
	ReasonNotReady       ReasonCode = "HG-D205"
	ReasonGateOpen       ReasonCode = "HG-D206"
	ReasonPaused         ReasonCode = "HG-D207"
	ReasonObserving      ReasonCode = "HG-D208"
	ReasonNeedApproval   ReasonCode = "HG-D209"
	ReasonNeedPairs      ReasonCode = "HG-D210"
	ReasonExploring      ReasonCode = "HG-D211"
	ReasonLearning       ReasonCode = "HG-D212"
	ReasonStill          ReasonCode = "HG-D213"
	ReasonAsk            ReasonCode = "HG-D214"
	ReasonWarmUp         ReasonCode = "HG-D215"
	ReasonSoaking        ReasonCode = "HG-D216"
	ReasonKeptWarm       ReasonCode = "HG-D217"
	ReasonCopying        ReasonCode = "HG-D218"
	ReasonActing         ReasonCode = "HG-D219"
	ReasonActionFailed   ReasonCode = "HG-D220"
	ReasonIterates       ReasonCode = "HG-D221"
	ReasonObjective      ReasonCode = "HG-D301"
	ReasonRewardWorse    ReasonCode = "HG-D302"
	ReasonGuardrail      ReasonCode = "HG-D303"
	ReasonGate           ReasonCode = "HG-D304"
	ReasonSharedCause    ReasonCode = "HG-D305"
	ReasonNoneLeft       ReasonCode = "HG-D306"
	ReasonLimitBroken    ReasonCode = "HG-D307"
	ReasonMismatch       ReasonCode = "HG-D401"
	ReasonSourceDown     ReasonCode = "HG-D402"
	ReasonStale          ReasonCode = "HG-D403"
	ReasonGap            ReasonCode = "HG-D404"
	ReasonUnknownTooLong ReasonCode = "HG-D405"
	ReasonJoined         ReasonCode = "HG-D406"
	ReasonUnevenJoin     ReasonCode = "HG-D407"
	ReasonMoved          ReasonCode = "HG-D408"
	ReasonRewardRange    ReasonCode = "HG-D409"
	ReasonSliceMismatch  ReasonCode = "HG-D410"
	ReasonVersionMix     ReasonCode = "HG-D411"
	ReasonIncomplete     ReasonCode = "HG-D412"
	ReasonUnsettled      ReasonCode = "HG-D413"
	ReasonDrifted        ReasonCode = "HG-D414"
	ReasonNotRead        ReasonCode = "HG-D415"
	ReasonBetter         ReasonCode = "HG-D501"
	ReasonNoDifference   ReasonCode = "HG-D502"
	ReasonInconclusive   ReasonCode = "HG-D503"
	ReasonSafe           ReasonCode = "HG-D504"
	ReasonOtherwise      ReasonCode = "HG-D505"
	ReasonObjectivesMet  ReasonCode = "HG-D506"
	ReasonBest           ReasonCode = "HG-D507"
	ReasonWarmOver       ReasonCode = "HG-D508"
	ReasonBudget         ReasonCode = "HG-D509"
	ReasonFallback       ReasonCode = "HG-D510"
	ReasonHorizon        ReasonCode = "HG-D511"
	ReasonMirrored       ReasonCode = "HG-D512"
	ReasonCopied         ReasonCode = "HG-D513"
	ReasonWinner         ReasonCode = "HG-D514"
	ReasonNoWinner       ReasonCode = "HG-D515"
	ReasonActionEnds     ReasonCode = "HG-D516"
	ReasonKilled         ReasonCode = "HG-D601"
	ReasonLifted         ReasonCode = "HG-D602"
	ReasonAborted        ReasonCode = "HG-D603"
	ReasonPausedBy       ReasonCode = "HG-D604"
	ReasonResumed        ReasonCode = "HG-D605"
	ReasonPromotedBy     ReasonCode = "HG-D606"
	ReasonRefused        ReasonCode = "HG-D607"
	ReasonRetried        ReasonCode = "HG-D608"
	ReasonApproved       ReasonCode = "HG-D609"
	ReasonFrozen         ReasonCode = "HG-D610"
	ReasonLearnOn        ReasonCode = "HG-D611"
)

var catalogue = []CatalogueEntry{
	{ReasonStarted, Info, "the experiment started with all traffic on {version}", "The plan was accepted and hashed; the baseline serves everything."},
	{ReasonStageEntered, Info, "stage {stage} began", "The experiment entered the stage and asks for its first shares."},
	{ReasonStepHeld, Info, "step {step} of {stage} held: {requests} requests, {windows} clean windows", "Everything that the step waits for was had, so the next step begins."},
	{ReasonStageDone, Info, "stage {stage} is over", "The last step of the stage held, or its period passed."},
	{ReasonShares, Info, "new shares after update {update}: {shares}", "A bandit gave each version its share by what it has learned, within its limits. A group with a vector of its own is named."},
	{ReasonWarm, Info, "{version} has the traffic; {baseline} stays warm to take it back", "The promotion is done, and late outcomes can still undo it until keepWarm is over."},
	{ReasonGoesOn, Info, "{version} goes on alone", "The stage chose among several candidates; the others gave up their share."},
	{ReasonEdited, Info, "the plan was edited; everything goes on", "What changed is nothing that evidence rests on, so state and evidence stay."},
	{ReasonPlannedAnew, Warning, "the plan was changed: it begins anew with all traffic on {version}", "What changed is something that evidence rests on, so a new epoch began: evidence and error rates start from nothing."},
	{ReasonIterated, Info, "iteration {iteration} of {of}: {what}", "A strict plan compared the newest values of its versions, by Iter8's rules and nothing else. No error rate is claimed."},
	{ReasonLoopDone, Info, "loop {loop} of {of} is over", "A strict plan does its onStep actions after every loop; the next iteration waits for them."},
	{ReasonNeedRequests, Info, "{version} has {have} of {want} requests of this step", "The step's request budget is not met. Wait, or raise the traffic."},
	{ReasonNeedWindows, Info, "{have} of {want} consecutive clean windows", "The newest windows did not all have traffic on the candidate and meet every objective. Wait, or look at the objectives per window."},
	{ReasonNeedTime, Info, "{left} left of the least time", "The stage or step has a least duration that has not passed."},
	{ReasonNeedUnits, Info, "the reward is undecided with {have} matured units: {more}", "The test has not decided and the horizon is not reached."},
	{ReasonNotReady, Warning, "{version} does not answer its readiness probe", "No share is given to a version that is not ready. Start it, or look at its log."},
	{ReasonGateOpen, Warning, "{metric} of {version} is not known to be within its limit", "Promotion wants every objective met and every guardrail not worse, with confidence. Wait for more evidence."},
	{ReasonPaused, Info, "the experiment is paused", "A person paused it: shares stay, harm is still acted on. Resume it to go on."},
	{ReasonObserving, Info, "observing for another {left}", "An observe stage shifts nothing and ends when its period is over."},
	{ReasonNeedApproval, Info, "{stage} waits for the approval of {owner}", "Everything else that the stage waits for was had. Approve it to go on."},
	{ReasonNeedPairs, Info, "{have} of {want} pairs per candidate", "A mirror collects answers of both versions to the same requests."},
	{ReasonExploring, Info, "exploring with even shares: {version} has {have} of {want} matured units", "A bandit learns nothing before every version has had its chance."},
	{ReasonLearning, Info, "the next update of the shares is in {left}", "A bandit gives new shares on its cadence."},
	{ReasonStill, Info, "the bandit does not learn: its shares stay", "The plan or a person stopped its learning. Outcomes are still counted."},
	{ReasonAsk, Warning, "no winner at the horizon: a person decides", "The plan says otherwise: ask. Promote or abort; onUnknown ends the wait."},
	{ReasonWarmUp, Info, "{version} warms up for another {left} before the cut-over", "A switch wants its candidate ready without a break before it gives it everything."},
	{ReasonSoaking, Info, "{version} soaks for another {left}", "The candidate has all traffic; the first sign of harm gives it back in one step."},
	{ReasonKeptWarm, Info, "{baseline} stays warm: {what}", "The old version can take everything back until all of it was had."},
	{ReasonCopying, Info, "{version} is copied over {baseline}, and has the traffic meanwhile: {what}", "The copy takes over once all its replicas run and are available. A copy that cannot get there changes nothing for users: see what keeps the rollout of the Deployment."},
	{ReasonActing, Info, "{action} is not done yet: {why}", "Actions of onStart and onStep come before anything more is given to a candidate. The way back waits for none."},
	{ReasonActionFailed, Warning, "{action} failed for good: {why}", "Nothing more is given to a candidate after an action of onStart or onStep that failed for good. Mend what was in its way and retry the experiment, promote or abort it; or write onFailure: ignore to go on all the same."},
	{ReasonIterates, Info, "iteration {iteration} of {of} is in {left}", "A strict plan asks for new values at every interval."},
	{ReasonObjective, Alarm, "{version} violates {metric}: {estimate}, {bound}, limit {limit}", "The confidence bound of an objective lies beyond its limit, at any time of looking. The candidate loses all traffic."},
	{ReasonRewardWorse, Alarm, "{version} is worse in {metric} by {estimate} (interval {interval})", "Always-valid evidence says that the candidate lowers the reward. It loses all traffic."},
	{ReasonGuardrail, Alarm, "{version} worsens {metric} by {estimate}, more than {limit}", "Always-valid evidence says that a guardrail is worse by more than its margin. The candidate loses all traffic."},
	{ReasonGate, Alarm, "{version} fails the gate {metric} of {stage}: {estimate}, {bound}, limit {limit}", "A limit that the stage requires is broken beyond doubt. The candidate loses all traffic."},
	{ReasonSharedCause, Alarm, "every version violates {metric}: a shared cause, no winner", "A bandit would pick the least bad. What all versions share (features, network, labels) is to be mended first; shares stay."},
	{ReasonNoneLeft, Alarm, "no candidate is left", "Every candidate lost its share for good."},
	{ReasonLimitBroken, Alarm, "{version} breaks {metric}: {value}, limit {limit}", "An objective of a strict plan that rolls back is broken by the newest value. Everything goes to the baseline."},
	{ReasonMismatch, Alarm, "sample-ratio mismatch: asked for {asked}, seen {seen}", "The units seen do not fit the shares asked for, so comparisons cannot be trusted. Look for lost exposures, bots or a second router."},
	{ReasonSourceDown, Warning, "{source} cannot be read: {why}", "A source that is down is not a bad model: hold, and go on when it answers again."},
	{ReasonStale, Warning, "the newest evidence of {source} is {age} old", "Evidence older than the plan allows raises no share. See whether traffic and source are alive."},
	{ReasonGap, Warning, "windows of {source} are missing", "Evidence was lost, for instance by a restart; a gap is never read as zero."},
	{ReasonUnknownTooLong, Warning, "nothing could be decided for {time}", "The evidence stayed unknown longer than onUnknown.after; the plan's policy was applied."},
	{ReasonJoined, Warning, "only {have} of the units of {version} were heard of in {metric}, less than {want}", "Too many exposures have no outcome. Look for lost events or a broken join key."},
	{ReasonUnevenJoin, Alarm, "the versions differ in how many units were heard of in {metric}", "Outcomes that go missing for one version more than for another bias every comparison."},
	{ReasonMoved, Warning, "{moved} of {units} units changed version inside a phase", "Units should stay while shares are constant. Look for a changing unit id or a second router."},
	{ReasonRewardRange, Warning, "the reward of {version} is {value}, outside {range}", "A bandit learns nothing from a reward outside its declared range."},
	{ReasonSliceMismatch, Alarm, "sample-ratio mismatch in {slice}", "The units of a group do not fit the shares asked for."},
	{ReasonVersionMix, Alarm, "{version} is a mix: its answers had {header} {one} and {other}", "What answers say that the version is made of changed while it was measured, so that two models were judged as one. A rolling restart does that too. Retry once all replicas are the same."},
	{ReasonIncomplete, Warning, "{missing} of {windows} windows of {source} are not whole: {why}", "A part of what happened in these windows is lost. It is never read as zero, but what is left may be a biased sample. Nothing is raised until enough whole windows have followed; docs/reference/statistics.md says how many."},
	{ReasonUnsettled, Warning, "the shares are not in effect yet: {why}", "The cluster has not said that it serves what was asked for. Look at the route's status."},
	{ReasonDrifted, Warning, "somebody else changed the shares: {what}", "The route does not say what was asked for, and the plan holds on that. Find who writes it; headgate describe names them."},
	{ReasonNotRead, Warning, "{metric} of {version} cannot be read: {why}", "A strict plan's iteration does not take place without the values that it decides by; no share moves. It is tried again until the provider answers."},
	{ReasonBetter, Info, "{version} is better in {metric}: {estimate} (interval {interval})", "The test crossed its boundary in favour of the candidate, with every objective met and no guardrail worse."},
	{ReasonNoDifference, Info, "{version} and {baseline} do not differ in {metric} by as much as {margin}: {estimate} (interval {interval})", "At the horizon the whole interval lies within the smallest effect that matters."},
	{ReasonInconclusive, Info, "{metric} is undecided at the horizon: {estimate} (interval {interval})", "The horizon was reached and the interval is too wide to say more. Plan a longer stage or a larger effect."},
	{ReasonSafe, Info, "{version} held every step and meets every objective", "A rollout without a reward promotes when all its steps held and every objective is met with confidence."},
	{ReasonOtherwise, Info, "without a winner the plan says: {otherwise}", "The stage's otherwise rule was applied."},
	{ReasonObjectivesMet, Info, "{version} meets every objective", "The observed period is over and every objective is met with confidence."},
	{ReasonBest, Info, "{version} is the best in {metric} with probability {chance}", "The bandit reached the certainty that its plan asks for. No error rate is claimed."},
	{ReasonWarmOver, Info, "{baseline} need not be kept warm any longer", "Everything that keepWarm waits for was had."},
	{ReasonBudget, Warning, "the budget is exceeded: {what}", "The plan's budget bounds cost, units and time; its onExceeded rule was applied."},
	{ReasonFallback, Warning, "the bandit fell back to {version}", "The evidence stayed untrustworthy longer than onUnknown.after."},
	{ReasonHorizon, Warning, "{stage} reached its horizon: {missing}", "The stage did not get what it waits for in its time; the baseline keeps the traffic."},
	{ReasonMirrored, Info, "{version} was compared on {pairs} pairs and nothing speaks against it", "A mirror tells how versions answer, never how users react; nothing is promoted on it alone."},
	{ReasonCopied, Info, "{baseline} is a copy of {version} now and has the traffic", "The copy's rollout is complete. What the old version was is kept beside it until somebody changes it: a kill puts it back."},
	{ReasonWinner, Info, "{version} is the winner after {iterations} iterations", "The last iteration of a strict plan decides, by its point values alone. The shares stay as they are; its onFinish actions promote."},
	{ReasonNoWinner, Info, "no winner after {iterations} iterations: {what}; {baseline} is recommended", "The last iteration of a strict plan found no winner. The shares stay as they are; its onFinish actions promote."},
	{ReasonActionEnds, Alarm, "{action} failed for good: {why}; the shares stay", "A strict plan ends without a result by an action that fails for good. Its onFinish actions are not done after it."},
	{ReasonKilled, Alarm, "killed by {author}: {reason}", "All traffic is on the baseline and stays there until a person lifts the kill."},
	{ReasonLifted, Warning, "the kill was lifted by {author}: {reason}", "The experiment ends with the baseline serving; start it anew to try again."},
	{ReasonAborted, Warning, "aborted by {author}: {reason}", "A person ended the experiment; all traffic went to the baseline."},
	{ReasonPausedBy, Info, "paused by {author}: {reason}", "Shares stay as they are until somebody resumes."},
	{ReasonResumed, Info, "resumed by {author}", "The experiment goes on from where it was."},
	{ReasonPromotedBy, Warning, "promoted by {author}: {reason}", "A person promoted the candidate ahead of the plan."},
	{ReasonRefused, Warning, "{verb} by {author} was refused: {why}", "The command could not be obeyed in this state."},
	{ReasonRetried, Info, "started anew by {author}: {reason}", "A new epoch began: units are shuffled, evidence and error rates start from nothing."},
	{ReasonApproved, Info, "{stage} approved by {author}: {reason}", "A person let the stage go on once everything else is had."},
	{ReasonFrozen, Warning, "learning stopped by {author}: {reason}", "The bandit keeps its shares until learning goes on."},
	{ReasonLearnOn, Info, "learning goes on, says {author}", "The bandit updates its shares again."},
}
