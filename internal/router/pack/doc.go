// SPDX-License-Identifier: Apache-2.0

// Package pack knows what each serving stack tells Prometheus about the
// versions that it serves. A pack turns a plan's built-in metrics (error rate,
// latency) into selectors of counters, one for each version, so that whoever
// reads them can count exactly:
//
//   - Requests and failed requests. What a client broke off itself is neither.
//   - Requests slower than a limit, from the buckets of a histogram: the limit
//     must be a bucket's bound, because what lies between two bounds is a guess.
//   - The mean time to answer, as a sum and a count.
//   - Ready replicas and restarts of a version's Deployment, by
//     kube-state-metrics.
//
// Nothing here is read: selectors carry no function and no default such as
// "or vector(0)", which would make a version that is gone look perfect.
package pack
