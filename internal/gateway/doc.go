// SPDX-License-Identifier: Apache-2.0

// Package gateway is the data plane: it stands in front of the versions of a
// model, gives every unit its version, passes requests and answers through
// unchanged, and counts exactly what became of them.
//
// What it promises:
//
//   - A request is routed by one snapshot from start to end, without a lock. A
//     bad snapshot is refused and the last good one serves on.
//   - Every assigned request is in exactly one cell: that of the epoch, phase
//     and window of its start and of its assigned version, however it ended and
//     whoever answered. Windows seal only when none of their requests is under
//     way, so nothing comes late. The exceptions are counted: a client that
//     leaves before the answer, and an exchange cut off by Close.
//   - A request without a unit is served by the baseline or refused; one
//     outside of what the stage is limited to is served by the baseline. Both
//     are counted, and never evidence.
//   - Testers whose header names a version get it; bots and synthetic load get
//     the baseline. Both are counted apart, and never evidence. Where the
//     application assigns, its header says the version; a name that is unknown
//     or absent gets the baseline and is counted apart. A version without a
//     share gets nothing of that; after a kill testers have the baseline too.
//   - Every request is in exactly one account: assigned, overridden, excluded,
//     outside, without a unit or a cohort, feedback, or refused.
//   - Seldon's feedback goes to the version that made the prediction, whatever
//     the shares are now, once, and to no other. It is no exposure and no
//     evidence; what becomes of it is no failure of the version's.
//   - Versions are asked for paths and models by their own names; all else of a
//     request passes as it is.
//   - Cells are kept for everybody and for each group of each segment. A
//     request is in one group of every segment: that of a header, a cookie or a
//     JSON path, or else the group other. Slices of a segment sum to the whole.
//   - Answers carry X-Headgate-Version, the version that answered, and
//     X-Headgate-Exposure, the token by which outcomes find their exposure.
//     The model sees X-Headgate-Experiment and X-Headgate-Version. Nobody else
//     can set them, but for the hints that a version may send before its answer
//     (1xx), which pass as they are.
//   - Where a candidate cannot even be connected to, is ejected for its failures
//     or has no place for another request, the baseline answers; so it does
//     after a 5xx, a reset or a time-out where requests may be sent twice and
//     nothing of an answer went to the client. The failure is the candidate's.
//   - A client's deadline bounds its exchange, and what is left of it is passed
//     on.
//   - Answers are touched only where a metric asks for what they say, in the
//     sample that it asks for; they are copied on their way and looked at beside
//     the traffic, by at most half of a few cores. What finds no room there is
//     dropped and counted. A window stays open for its answers, for some seconds.
//     So are predictions read, by the protocol, after what must not be looked at
//     is taken out: their shares and means by slice, classes and scores for
//     everybody, and rows if asked for. Digests are read in the heads of all.
//   - Requests and answers that are kept stream on: a copy of what passes is
//     taken, up to a length and in bounded room.
//   - Everything is bounded: time, headers, what is read of bodies, exchanges
//     under way, groups, evidence that nobody folds.
//   - A mirror copies a share of the experiment's requests to candidates, once
//     the baseline has answered, from bounded queues, over connections of their
//     own: whatever a shadow does, the primary path does not wait for it or
//     share anything with it that it could use up (D11). Nothing of a copy's
//     answer reaches a client. Copies are marked, never repeated, end with their
//     route, and what is not copied is counted by why. Both answers are compared
//     beside the traffic, after what must not be kept is taken out, by a quarter
//     of a few cores; each copy that was sent is handed on as a pair, once.
//   - What it cannot do is refused.
//
// The engine is net/http (full.go). Assignment and recording know only an
// exchange (exchange.go), so that another engine can share them.
package gateway
