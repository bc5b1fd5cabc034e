// SPDX-License-Identifier: Apache-2.0

// Package quantile says how sure a quantile is: the median, the 95th, the 99th
// percentile of latencies, read from values, from a [stats.Sketch] or from the
// cumulative buckets of a Prometheus histogram. It also says when a quantile
// cannot be known from what there is, and offers the better question in its
// place.
//
// # Ask for the exceedance first
//
// "The 99th percentile is at most 250 ms" is the same statement as "at most 1 %
// of requests take longer than 250 ms". The second is a proportion: buckets
// answer it exactly, without interpolation, if 250 ms is one of their bounds,
// and [stats.BernoulliInterval] answers it at any time, as often as one looks.
// So latency objectives are judged by [Histogram.Above]; intervals of the
// quantile itself are for display and for effects.
//
// # Reading a quantile
//
// [RanksFor] gives the ranks between which the true quantile lies: the
// order-statistic interval, exact for independent values of any distribution,
// at one look fixed in advance. What the values at these ranks are is then read
// by [FromSorted], [FromSketch] (widened by the sketch's error of 1 %) or
// [Histogram.Reading] (widened to the bounds of the buckets that hold the
// ranks). A [Reading] becomes a [stats.Estimate] by its width, and
// [stats.Difference] compares two (Deng, Knoblich and Lu 2018).
//
// # Requests of one user are alike
//
// Counting them as independent makes intervals too narrow. [ClusterFactor] is
// the factor on the variance; [RanksFor] and all readings take it as inflation.
// It is 1 for independent values. Where units are not known, as in counters,
// quantiles of requests remain unadjusted, and should be labelled so.
//
// # Errors
//
// Functions never return NaN or infinity and never panic on input. A
// [*stats.InputError] names an argument outside its domain. [stats.ErrNoData]
// says that there are too few values: a 99th percentile needs 368 for an
// interval at 95 %. [ErrBeyond] says that the answer lies where the buckets or
// the sketch do not reach: a higher bound cures it, more data may.
//
// # Sources
//
// David, Nagaraja, Order Statistics (2003), section 7.1: ranks. Deng, Knoblich,
// Lu, KDD (2018), sections 4.2 and 4.3: two samples, and clusters by the delta
// method. Prometheus, histogram_quantile: interpolation.
package quantile
