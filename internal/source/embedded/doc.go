// SPDX-License-Identifier: Apache-2.0

// Package embedded is a Prometheus without a server: it scrapes a few targets,
// keeps two hours of samples in memory, and answers the two questions of
// Prometheus' HTTP API that package prometheus asks, by Prometheus' own PromQL
// engine. It is an http.RoundTripper, so whoever reads a provider reads this one
// by the same code, and nothing listens anywhere.
//
// What is promised:
//
//   - Bounded: at most so many series and samples; what is beyond is left out and
//     said as a failed scrape, never silently.
//   - A target that cannot be read, and a series that is gone, end at once
//     (staleness markers); up says which targets could be read.
//   - Nothing is written to disk: what was scraped ends with the process, and the
//     windows that it would have told are gaps.
package embedded
