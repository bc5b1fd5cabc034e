// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"strings"
	"unicode"
)

// model is a naive Bayes classifier: it counts how often each feature came with
// each queue. It does not change once it is trained.
type model struct {
	name     string
	features func(*ticket) []string
	counts   map[string]*[len(queues)]float64
	totals   [len(queues)]float64
	tickets  [len(queues)]float64
}

// newV1 trains the model that is in production. It knows whole words, and the
// topic that was chosen in the portal.
func newV1(rows []ticket) *model { return train("v1", wordsAndTopic, rows) }

// newV2 trains its successor. It knows pieces of words, so that typing errors
// mislead it less; but its feature pipeline was written for mails, and drops
// what comes with a ticket from the portal.
func newV2(rows []ticket) *model { return train("v2", pieces, rows) }

func wordsAndTopic(t *ticket) []string {
	features := words(t.Text)
	if t.Topic != "" {
		// People chose it: it weighs more than a word.
		topic := "topic=" + t.Topic
		features = append(features, topic, topic, topic)
	}
	return features
}

func pieces(t *ticket) (features []string) {
	for _, word := range words(t.Text) {
		letters := []rune("^" + word + "$")
		for i := range max(len(letters)-2, 0) {
			features = append(features, string(letters[i:i+3]))
		}
	}
	return features
}

func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func train(name string, features func(*ticket) []string, rows []ticket) *model {
	m := &model{name: name, features: features, counts: make(map[string]*[len(queues)]float64)}
	for i := range rows {
		q := rows[i].queue
		m.tickets[q]++
		for _, f := range features(&rows[i]) {
			if m.counts[f] == nil {
				m.counts[f] = new([len(queues)]float64)
			}
			m.counts[f][q]++
			m.totals[q]++
		}
	}
	return m
}

// predict is the name of the most probable queue, the first of equals. Features
// that were never seen say nothing; one that never came with a queue counts as
// if it had once (Laplace's rule).
func (m *model) predict(t *ticket) string {
	var scores [len(queues)]float64
	for q := range queues {
		scores[q] = math.Log(m.tickets[q] + 1)
	}
	for _, f := range m.features(t) {
		seen, known := m.counts[f]
		if !known {
			continue
		}
		for q := range queues {
			scores[q] += math.Log((seen[q] + 1) / (m.totals[q] + float64(len(m.counts))))
		}
	}
	best := 0
	for q, s := range scores {
		if s > scores[best] {
			best = q
		}
	}
	return queues[best].name
}
