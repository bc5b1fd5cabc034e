// SPDX-License-Identifier: Apache-2.0

// Package prometheus reads evidence from a server that speaks Prometheus' HTTP
// API: Prometheus, Thanos, Mimir, VictoriaMetrics.
//
// Counters are read as raw samples, one query for each selector, all as of one
// moment, and counted here: nothing is extrapolated, and nothing is remembered
// from one reading to the next, so a restart reads the same again. What is
// promised:
//
//   - Windows add up. What a counter grew by between two of its samples belongs
//     to the windows between them by time, in whole requests, and each request
//     to one window only. Two versions that are scraped seconds apart are
//     therefore cut at the same moment.
//   - A phase is counted from one scrape after its start, and until one scrape
//     before its end: what lies between belongs to no shares that anybody knows.
//   - A reset begins again at 0. A series that is new counts from 0 if others
//     were being scraped at the time and no sample of it is known; else its
//     first sample is where counting begins.
//   - After a hole (samples more than two scrapes apart) what the counter grew
//     by counts at the hole's end, once, if the hole began inside the phase.
//     The hole's windows are gaps. A gap is said, and is never zero.
//   - What cannot be read at all is an error of code unavailable, and reading
//     goes on later where it stopped (D5). An answer with warnings, such as a
//     partial one of Thanos, is an error of code untrustworthy.
//
// It opens connections to the provider's address only: a redirect to another
// host is an error, so no credential ever follows one.
package prometheus
