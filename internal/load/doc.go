// SPDX-License-Identifier: Apache-2.0

// Package load sends HTTP requests to one URL as independent users would, and
// counts what came back, by version; or sends the same requests to two URLs and
// says how far their answers agree.
//
// What it promises of one URL:
//
//   - The loop is open: with a rate, requests leave at the times of a Poisson
//     process, whatever the answers do. A slow server does not slow the sending
//     and so cannot hide its slowness. A request whose time comes while the cap
//     on concurrency is reached is skipped and counted; it is never put off.
//   - Latency runs from the time a request was meant to leave to the last byte
//     of its answer. Where this machine sent late, the report shows the latency
//     from the actual sending beside it.
//   - Counts are exact and add up, also when interrupted: offered = sent +
//     skipped, sent = answered + failed, and answered is the sum over status
//     codes, over versions and over latency buckets.
//   - The same seed gives the same units, bodies and outcomes in the same
//     order. The machine's timing is not part of that.
//   - It reaches the URL and the outcomes API that were named, and nothing else:
//     no redirects, no proxy of the environment.
//   - Memory is bounded, whatever the number of requests and whatever the
//     server answers.
//
// An interval of a version's share counts units, each by its first answer,
// unless most units met several versions: a unit that sticks to its version was
// assigned once, and its ten answers say no more about the split than one.
//
// What it promises of two (RunPairs):
//
//   - Each body goes once to both, at the same time, and neither is always asked
//     first.
//   - Answers are compared by the rules of a mirror stage, after redaction.
//   - Each mean stands beside how many pairs gave nothing to compare, and has an
//     interval that is valid for the whole of a file chosen beforehand, whose
//     lines are independent of each other.
//   - Pairs that an interruption cut off are not counted.
package load
