// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/prometheus/client_golang/prometheus"

// collector shows the ledger's Stats as metrics, read when they are scraped.
type collector struct {
	stats   func() Stats
	metrics []metric
}

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	label string
	value func(*Stats) int64
}

func newCollector(stats func() Stats) *collector {
	c := &collector{stats: stats}
	add := func(kind prometheus.ValueType, name, help string, value func(*Stats) int64) {
		c.metrics = append(c.metrics, metric{prometheus.NewDesc("headgate_ledger_"+name, help, nil, nil), kind, "", value})
	}
	add(prometheus.CounterValue, "commits_total", "Commits of the ledger's file.", func(s *Stats) int64 { return s.Commits })
	add(prometheus.CounterValue, "commit_failures_total", "Commits that failed; nothing of them was stored.", func(s *Stats) int64 { return s.Failures })
	add(prometheus.CounterValue, "calls_total", "Batches of outcomes that were committed.", func(s *Stats) int64 { return s.Calls })
	add(prometheus.CounterValue, "exposures_dropped_total", "Exposures dropped because the queue was full or nobody knew them.", func(s *Stats) int64 { return s.Dropped })
	add(prometheus.CounterValue, "exposures_late_total", "Exposures that came for a sealed window.", func(s *Stats) int64 { return s.LateExposures })
	add(prometheus.GaugeValue, "exposures_queued", "Exposures that wait to be written.", func(s *Stats) int64 { return int64(s.Queued) })
	add(prometheus.GaugeValue, "rows_queued", "Pairs and predictions that wait to be written.", func(s *Stats) int64 { return int64(s.QueuedRows) })
	add(prometheus.CounterValue, "pairs_total", "Pairs that were stored.", func(s *Stats) int64 { return s.Pairs })
	add(prometheus.CounterValue, "pairs_duplicate_total", "Pairs that were known already.", func(s *Stats) int64 { return s.DuplicatePairs })
	add(prometheus.CounterValue, "pairs_dropped_total", "Pairs dropped because the queue was full or nobody knew them.", func(s *Stats) int64 { return s.DroppedPairs })
	add(prometheus.CounterValue, "pairs_late_total", "Pairs that came for a sealed window.", func(s *Stats) int64 { return s.LatePairs })
	add(prometheus.CounterValue, "predictions_total", "Predictions that were stored.", func(s *Stats) int64 { return s.Predictions })
	add(prometheus.CounterValue, "predictions_dropped_total", "Predictions dropped because the queue was full or nobody knew them.", func(s *Stats) int64 { return s.DroppedPredictions })
	add(prometheus.CounterValue, "predictions_late_total", "Predictions that came for a sealed window.", func(s *Stats) int64 { return s.LatePredictions })
	add(prometheus.CounterValue, "labels_conflicting_total", "Labels of predictions that have another one; among the duplicates.", func(s *Stats) int64 { return s.ConflictingLabels })
	add(prometheus.CounterValue, "rows_retired_total", "Pairs and predictions of sealed windows that were too many or too old.", func(s *Stats) int64 { return s.Retired })
	add(prometheus.CounterValue, "rows_lost_total", "Pairs and predictions that went before their window was sealed.", func(s *Stats) int64 { return s.Lost })
	add(prometheus.CounterValue, "batches_total", "Batches of gateways that were stored.", func(s *Stats) int64 { return s.Batches })
	add(prometheus.CounterValue, "batches_repeated_total", "Batches of gateways that were stored before.", func(s *Stats) int64 { return s.RepeatedBatches })
	add(prometheus.CounterValue, "batches_missing_total", "Batches that gateways let go before they were asked for.", func(s *Stats) int64 { return s.MissingBatches })
	add(prometheus.CounterValue, "cells_late_total", "Cells of gateways for windows that are sealed.", func(s *Stats) int64 { return s.LateCells })
	add(prometheus.CounterValue, "windows_missing_total", "Windows that gateways skipped.", func(s *Stats) int64 { return s.MissingWindows })
	add(prometheus.CounterValue, "gateways_silent_total", "Phases sealed without a gateway that serves them.", func(s *Stats) int64 { return s.SilentGateways })
	outcomes := prometheus.NewDesc("headgate_ledger_outcomes_total", "Outcomes by what became of them.", []string{"result"}, nil)
	for label, value := range map[string]func(*Stats) int64{
		"accepted":      func(s *Stats) int64 { return s.Accepted },
		"duplicate":     func(s *Stats) int64 { return s.Duplicates },
		"late":          func(s *Stats) int64 { return s.Late },
		"unmatched":     func(s *Stats) int64 { return s.Unmatched },
		"unknown-event": func(s *Stats) int64 { return s.Unknown },
	} {
		c.metrics = append(c.metrics, metric{outcomes, prometheus.CounterValue, label, value})
	}
	return c
}

// Describe is part of prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, out)
}

// Collect is part of prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.stats()
	for _, m := range c.metrics {
		var labels []string
		if m.label != "" {
			labels = append(labels, m.label)
		}
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, float64(m.value(&s)), labels...)
	}
}
