// SPDX-License-Identifier: Apache-2.0

package lint

var refusedEntries = []Entry{
	{
		CodeRefused, Error, "{message}",
		"What the validator refuses cannot run.",
		"Write what the message says; docs/reference/experiment.md lists every field.",
	},
}

var peopleEntries = []Entry{
	{
		CodeNoOwner, Error, "nobody is named who answers for the experiment",
		"An experiment without an owner is stopped by nobody when it should be, and forgotten when it is over.",
		"Write spec.owner: the team that answers for it.",
	},
	{
		CodeNoHypothesis, Warning, "no hypothesis says what the candidate is expected to change",
		"A result that was not predicted is easily found somewhere; one that was is evidence.",
		"Write spec.hypothesis in one sentence: what changes, by how much, and what must not.",
	},
	{
		CodeNoEnd, Error, "{stage} may wait for ever: for {what}",
		"An experiment without an end becomes a permanent fork of the product.",
		"Write onUnknown: {after: 3d, do: rollback}, or bound everything with budget: {duration: 30d}.",
	},
	{
		CodeApprovalOfNobody, Warning, "{stage} waits for {approval}, and nobody answers for the experiment",
		"An approval asks a person to look at what somebody else answers for.",
		"Write spec.owner.",
	},
	{
		CodeFork, Warning, "{stage} may last {time}",
		"Two versions that live side by side for a season are a fork, not an experiment; what was learned is stale before it is used.",
		"Lower until.atMost, or ask for a larger effect.",
	},
	{
		CodeNoHorizon, Warning, "{stage} has no horizon: it goes on until its limits are known to be met or broken",
		"Where the traffic is too thin to know, it holds and holds, and nobody is told that it will never know.",
		"Write onUnknown: {after: 3d, do: rollback}, or bound everything with budget: {duration: 30d}.",
	},
}

var watchedEntries = []Entry{
	{
		CodeNoGuardrail, Warning, "no guardrail says what must not get worse",
		"A candidate that wins on one metric can lose on all others: cost, refunds, retention, a group of users.",
		"Write spec.guardrails with a margin each, and slices for the groups that must not lose.",
	},
	{
		CodeNoSlice, Warning, "no guardrail holds in any group, {what}",
		"Premium and free users, bots and people, new and old hide each other: a global win can be a group's loss.",
		"Define spec.segments, and write slices: [SEGMENT] at the guardrails; take bots and synthetic load out with assignment.exclude.",
	},
	{
		CodeQualityBlind, Warning, "only errors and latency decide: the candidate may be fast, stable and wrong",
		"An unchanged error rate says that the server works, not that the model does. This is how most bad models are promoted.",
		"Judge what the answers do: a reward, guardrail or objective on outcomes, or a gate on pairs in a mirror.",
	},
	{
		CodeImmature, Error, "{role} {metric} takes {window} to be known, and {stage} lasts at most {time}",
		"A metric that cannot be known within its stage cannot decide there: the stage ends without it, or on something else.",
		"Lengthen until.atMost beyond the outcome window, or decide by an earlier metric and keep this one as keepWarm: {matured: […]}.",
	},
	{
		CodeHalfUnjudged, Warning, "{role} {metric} takes {window} to be known, more than half of the {time} of {stage}",
		"Units that come in the last outcome window are never judged: most of the traffic is exposed for nothing.",
		"Lengthen the stage, or decide by an earlier metric and review this one after the promotion (keepWarm).",
	},
	{
		CodePerRequest, Error, "each request is drawn anew, but {role} {metric} is a user's: it counts what happens up to {time} later",
		"A user who meets both versions carries the effect of one into the outcomes of the other, so that neither is measured.",
		"Assign users: assignment: {unit: {header: x-user-id}}. If each request does have an outcome of its own, say so with per or joined.",
	},
	{
		CodeMirrorOnly, Info, "no stage shows a candidate to users: nothing will be learned of how they react",
		"A mirror tells how a candidate would have answered, not what the answer would have done.",
		"Add a ramp or a split after the mirror when the answers are good enough.",
	},
	{
		CodeRewardUndecided, Info, "no stage decides {metric}: it is watched for harm only",
		"A ramp promotes what is safe, not what is better.",
		"Add a split or a bandit, or leave the reward out.",
	},
	{
		CodeNoObjective, Warning, "no objective limits errors or latency",
		"Health is the first thing that a candidate breaks, and the quickest to see.",
		"Write spec.objectives for error-rate and a quantile of latency.",
	},
	{
		CodeUnused, Info, "nothing depends on the metric {metric}",
		"A metric that decides nothing invites to be read afterwards, when it happens to please.",
		"Make it a guardrail, name it in keepWarm.matured, or leave it out.",
	},
	{
		CodeNotLabelled, Warning, "nothing says how many predictions {metric} must have a label for",
		"Labels that are lost, or that only come for what a version flagged, make it look better or worse than it is; and nothing says so.",
		"Write labels.joined: the share of a version's predictions that must have a label.",
	},
	{
		CodeRowsGone, Warning, "{rows} rows last {time} at this traffic, and {metric} takes {window} to be known",
		"The oldest predictions go when there are too many, and their labels then find nothing.",
		"Raise ledger.retention.rows, or read fewer answers: predictions.sample.",
	},
	{
		CodeLooseDrift, Warning, "{metric} may reach {max}: by the usual rule of the population stability index 0.1 is a small shift, and 0.25 a large one",
		"A limit that only a different model would break finds no drift.",
		"Lower the limit to 0.2 or less, and see at what it stands between identical versions.",
	},
	{
		CodeComputed, Warning, "{metric} asks the provider for {what}, one number a window, of counters that tell more",
		"Of a number nothing is known but itself, so that windows become the sample: it takes hours where counts take minutes, and an interpolated quantile is not exact.",
		"Select the counters: {events, total} for a share, {buckets, above} for a share above a limit, {sum, count} for a mean.",
	},
	{
		CodeNotNamed, Info, "no provider is listed: {what} is read from the one that the controller is configured with",
		"The same file means another server in another cluster, and its scrape interval is taken to be 30 s at most.",
		"Write spec.providers.",
	},
	{
		CodeThinWindow, Warning, "an evidence window of {window} holds fewer than two samples of {provider}, which has one every {scrape}",
		"What happened in a window is the difference of two samples; where there is one, windows take from each other and some hold nothing.",
		"Lengthen evidence.window to twice the scrape interval or more, or correct scrape.",
	},
	{
		CodeBareSecret, Warning, "{provider} is sent a secret over http",
		"Whoever is on the way can read it, and use it.",
		"Write https, with ca where the certificate is your own.",
	},
}

var statisticsEntries = []Entry{
	{
		CodeAlpha, Warning, "{what} is {value}",
		"With more than one wrong answer in ten, results are not worth acting on.",
		"Lower spec.analysis.{what} to 5 %, and make the experiment longer if it must be.",
	},
	{
		CodeLooks, Warning, "{looks} looks leave {units} units per version and look in {stage}",
		"A look at fewer than 100 units rests on an approximation that does not hold yet.",
		"Lower spec.analysis.looks, or raise until.units.",
	},
	{
		CodeYears, Error, "to find {effect} in {metric} takes {units} units: {time} at this traffic",
		"An effect that cannot be seen within a year cannot be a reason to decide.",
		"Ask for the smallest effect that would change what you do; it is usually larger.",
	},
	{
		CodeTiny, Warning, "the smallest effect is {effect} of the baseline",
		"The sample grows with the square of the inverse: a tenth of the effect takes a hundred times the units.",
		"Ask for the smallest effect that would change what you do, and see headgate plan.",
	},
	{
		CodeNeverReached, Error, "{stage} reaches its horizon of {time} before it has what it waits for, at this traffic",
		"A stage that cannot get its sample ends without an answer, having exposed users for nothing.",
		"Lower the requests, units or pairs that it waits for, raise the share, or lengthen until.atMost.",
	},
	{
		CodeUnderpowered, Warning, "{have} units find the smallest effect with probability {power}, and {wanted} is wanted: that takes {need}",
		"An experiment that would probably miss the effect it looks for ends inconclusive, or exaggerates what it finds.",
		"Lengthen the stage, raise the smaller share, or ask for a larger effect.",
	},
	{
		CodeNoErrorRate, Info, "{method} bounds no error rate",
		"It may say better of identical versions more often than any alpha; headgate simulate shows how often, of plans that are not strict.",
		"Use sequential or anytime where a wrong promotion costs something.",
	},
	{
		CodePeeking, Warning, "{stage} stops at the first look that pleases, from {least} on",
		"A probability of being better that is looked at until it is high enough is high sooner or later, whatever the truth.",
		"Raise until.atLeast, leave decided out, or use the method anytime, which may be looked at at any time.",
	},
	{
		CodeShort, Info, "{stage} may end after {time}, before a week is over",
		"Users differ by weekday; what is found from Monday to Thursday holds from Monday to Thursday.",
		"Write until.atLeast: 7d, or whole weeks.",
	},
	{
		CodeTooFew, Warning, "{metric} has too few {basis} to be known as not worse for {who}: {have} of {need}",
		"A guardrail that stays undecided blocks the promotion; one with too few units hides the harm it is there to find.",
		"Lengthen the stage, widen the margin, or merge groups.",
	},
	{
		CodeUneven, Info, "a version of {stage} has {share} of the traffic only",
		"The smallest version decides how long it takes: at 10 % the sample is about three times that of halves.",
		"Once the candidate is known to be safe, split evenly.",
	},
	{
		CodeManyTests, Info, "{tests} tests for harm share harmAlpha: {alpha} each",
		"Every metric, slice and candidate that is watched makes the others slower to alarm.",
		"Watch what would make you stop, and no more.",
	},
	{
		CodeUnshown, Warning, "about {need} requests of a candidate show {metric} to be within its limit, and {have} are expected",
		"An objective that is not known to be met blocks the promotion.",
		"Raise hold.requests or the last steps, or loosen the limit.",
	},
	{
		CodeAlreadyOver, Error, "{metric} stands at {rate} today, over its limit of {limit}",
		"The baseline itself breaks the limit, so that every candidate as good as it is rolled back.",
		"Correct the limit, or guard the metric against getting worse: guardrails.",
	},
	{
		CodePromotesAnyway, Warning, "{stage} promotes at its horizon without evidence that the candidate is better",
		"A null result is no reason to change, unless the candidate is wanted for another one.",
		"Write otherwise: keep, or ask; if the candidate is cheaper, say so in the hypothesis.",
	},
	{
		CodeFewWindows, Warning, "{role} {metric} has {windows} windows of each version in {stage}: below {least} hardly anything is told from noise",
		"Where windows are the sample, a busy hour is no more than a quiet one: only time makes it larger.",
		"Lengthen the stage, shorten evidence.window, or select counters instead.",
	},
}

var exposureEntries = []Entry{
	{
		CodeNoRequests, Warning, "a step of {stage} is held by time or windows alone",
		"One percent of a quiet service proves nothing in ten minutes, and of a busy one harms thousands.",
		"Write hold.requests: how many answers of the candidate must have been seen.",
	},
	{
		CodeFirstStep, Warning, "the first users meet {stage} at {share}",
		"The first step is there to find what breaks at once; a tenth of the traffic is not needed for it.",
		"Begin with ramp: {steps: [0%, 1%, …]}, or with a mirror.",
	},
	{
		CodeNoSettle, Warning, "latency decides in {stage}, and no time is given to settle",
		"After a step a version that scales up is slow for a while; without settle that counts, or is waited out by luck.",
		"Write hold.settle: as long as a replica takes to start.",
	},
	{
		CodeNoProbe, Info, "{stage} begins with live traffic",
		"A step of 0 % asks for readiness first, so that no user finds out that the model file is missing.",
		"Begin the steps with 0%.",
	},
	{
		CodeLeap, Warning, "{stage} promotes from {share} to everything at once",
		"Load, caches and rare requests show at half of the traffic, not at a few percent.",
		"Add steps up to 50 %.",
	},
	{
		CodeLeftOut, Warning, "{groups} of {segment} never meet the candidate, and get it at the promotion",
		"What was learned holds for those who were asked.",
		"Add a stage without where, or keep the others on the baseline.",
	},
	{
		CodeCold, Warning, "{stage} cuts over without warming up",
		"A version that has everything from its first second has cold caches and too few replicas.",
		"Write switch.warm: how long it must have been ready.",
	},
	{
		CodeNoSoak, Error, "{stage} is over before a second window of evidence is known",
		"A cut-over that nobody watches is a deployment.",
		"Lengthen switch.soak, and add an observe stage with gates.",
	},
	{
		CodeSwitchFirst, Warning, "{stage} gives everything to a candidate that no user has met",
		"Blue/green tells that a stack can be cut over, not that its answers are good: everybody meets them at once.",
		"Put a mirror or a ramp before it.",
	},
}

var mirrorEntries = []Entry{
	{
		CodeUnlimited, Warning, "{stage} copies every request, without a bound on rate or cost: about {times} times the inference",
		"A large model is served twice for every request, on capacity that users need.",
		"Mirror a share: {share: 10%}, or bound it: {rate: 20, cost: \"50\"}.",
	},
	{
		CodeShadowForever, Warning, "{stage} may mirror for {time}",
		"A shadow validates. One that stays is a second production path that costs, logs and fails, and that nobody trusts enough to serve.",
		"Lower until.atMost; ask for pairs, and then go on, redesign or delete it.",
	},
	{
		CodeNoGate, Warning, "{stage} compares nothing that could stop it",
		"Collecting answers is not a comparison: without a gate the mirror ends well whatever they say.",
		"Write require with a metric from pairs (failures, class, ranking, number or text), from drift or prediction, or, where truth comes in time, from labels.",
	},
	{
		CodeSideEffects, Info, "{stage} sends the candidate real requests: what it writes, it writes for real",
		"A shadow that writes to a feature store, queue or training set contaminates production without ever answering a user.",
		"Give the shadow stores of its own, and no credentials for others.",
	},
	{
		CodeModelName, Warning, "the backends seem to serve {baseline} and {candidate}: a request that is copied or routed asks for the name that the client wrote",
		"A model server answers 404 to a name that it does not know, and nothing in the plan rewrites it.",
		"Write model: {candidate} at the version, so that Headgate rewrites the name, or serve both under one public name.",
	},
}

var banditEntries = []Entry{
	{
		CodeNoMinimum, Warning, "{versions} may be left without any traffic",
		"A version that gets nothing is never found to have become the best, and its estimate never recovers.",
		"Write bandit.min: 1% or more.",
	},
	{
		CodeNoRange, Warning, "the reward {metric} has no range",
		"A broken label or an attack moves all traffic before anybody looks; and indices scale by the range.",
		"Write reward.range: {low: …, high: …}.",
	},
	{
		CodeTooEager, Warning, "shares change every {every}, and {metric} takes {window} to be known",
		"Between two updates nothing has matured: the same evidence is used again, and the newest is the most biased.",
		"Raise bandit.every to the outcome window, or learn from an earlier outcome.",
	},
	{
		CodeBanditAlone, Error, "a bandit moves traffic by its reward, and no guardrail is independent of it",
		"A bandit maximises what it is given, and nothing else says whether that is good for anybody.",
		"Write spec.guardrails on metrics other than the reward.",
	},
	{
		CodeNoCaps, Warning, "each group of {segment} has shares of its own, and no cap",
		"A group with little data follows noise, and a sensitive one may end up on a candidate altogether.",
		"Write bandit.caps for the groups that matter.",
	},
	{
		CodeNotJoined, Warning, "nothing says how many units {metric} must be heard of",
		"Missing events look like bad rewards: a version whose events are lost loses its traffic.",
		"Write outcomes.joined: the share of units that must have been heard of.",
	},
	{
		CodeFallback, Warning, "if its evidence cannot be trusted, everything goes to {version}, a candidate",
		"The fallback is where traffic goes when nothing is known: that is what the baseline is for.",
		"Leave bandit.fallback out.",
	},
	{
		CodeNoStep, Warning, "one update may move all traffic",
		"A single wrong batch of rewards then decides everything, and capacity has no time to follow.",
		"Write bandit.step: 20% or less.",
	},
	{
		CodeExplore, Warning, "the bandit learns from {units} units per version",
		"The first estimates are the worst, and they decide who gets the data for better ones.",
		"Write bandit.explore: 100 or more.",
	},
}

var promotionEntries = []Entry{
	{
		CodeDeleted, Error, "{version} is deleted at the promotion",
		"The way back becomes a cold deployment, just when late outcomes begin to come.",
		"Write promote.keepWarm, and let the loser go when it is over.",
	},
	{
		CodeRetiredEarly, Error, "the old version goes ({fate}) after {time}, before {metric} is known: that takes {window}",
		"What would tell that the promotion was wrong comes when nothing is left to go back to.",
		"Write keepWarm: {matured: [{metric}]}.",
	},
	{
		CodeShortWarm, Warning, "the old version is kept warm for {time}, and {metric} takes {window} to be known",
		"Late outcomes can undo a promotion only while the old version is warm.",
		"Write keepWarm: {matured: [{metric}]}.",
	},
	{
		CodeGoneCold, Warning, "nothing keeps the old version warm: it {what}",
		"A rollback to a cold version is a deployment while users wait.",
		"Write promote: {keepWarm: {atLeast: 24h}}, with matured for the metrics that come late.",
	},
	{
		CodeParts, Warning, "{version} differs in more than one part: {parts}",
		"What is found is an effect of all of them together; a worse result does not say that the model is worse.",
		"Change one part at a time, or split three ways and compare.",
	},
	{
		CodeNoBudget, Warning, "versions declare a cost, and nothing bounds it",
		"Serving twice, warm capacity and long tests cost what nobody planned.",
		"Write spec.budget: {cost: …}.",
	},
	{
		CodeOverBudget, Warning, "the budget ends it first: {what}",
		"A stage that is stopped by its budget has cost everything and told nothing.",
		"Raise the budget, or shorten, sample and cap the stages.",
	},
	{
		CodeCopied, Warning, "the winner is copied over {version} as soon as it has won",
		"From then on going back means to roll the old version out again first, on the pods that serve.",
		"Write promote.keepWarm: the copy waits for its end. Or promote.how: pointer, which leaves the old version as it is.",
	},
}
