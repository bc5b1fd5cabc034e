// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/prediction"
)

// What a route can ask of predictions.
const (
	maxPredictionMetrics = 24
	maxFeatures          = 32
	maxDigests           = 8
	// maxDigest is how much of a digest counts, in bytes.
	maxDigest = 64
	// maxDigestValues bounds the values of one digest that are told apart in a
	// window. A version has one, or it is no version.
	maxDigestValues = 32
	// noDigest stands for an answer without the header.
	noDigest = "(none)"
)

// predicting is what a route reads of predictions, laid out.
type predicting struct {
	experiment.PredictionsRoute
	reader *prediction.Reader
	// digests are headers in canonical form, digestCells the names of their
	// cells.
	digests, digestCells []string
	// bodies says that answers' bodies are looked at, reads that predictions are
	// read in them: for their size alone nothing is kept. features says that
	// requests' bodies are read too, explanations that requests for explanations
	// are counted.
	bodies, reads, features, explanations bool
}

// newPredictions lays predictions out, and refuses what cannot be read; nil
// reads nothing.
func newPredictions(from *experiment.PredictionsRoute) (*predicting, error) {
	if from == nil {
		return nil, nil
	}
	p := &predicting{PredictionsRoute: *from, reads: from.Classes || from.Scores || from.Rows}
	if err := p.check(); err != nil {
		return nil, err
	}
	for _, a := range p.Metrics {
		switch a.Kind {
		case experiment.OutputSize:
			p.bodies = true
		case experiment.AbsentFeatures, experiment.NullFeatures:
			p.features = true
		case experiment.FailedExplanations, experiment.ExplanationTime:
			p.explanations = true
		default:
			p.reads = true
		}
	}
	if p.features && len(p.Features) == 0 {
		return nil, fmt.Errorf("predictions: metrics of features, of which none is declared")
	}
	p.bodies = p.bodies || p.reads || p.features
	if (p.bodies || p.explanations) && (p.Sample <= 0 || p.Sample > experiment.Whole) {
		return nil, fmt.Errorf("predictions: sample is %d: want 1 to %d", p.Sample, experiment.Whole)
	}
	for _, header := range p.Digests {
		p.digests = append(p.digests, http.CanonicalHeaderKey(header))
		p.digestCells = append(p.digestCells, experiment.CellDigest+strings.ToLower(header))
	}
	var err error
	if p.reader, err = prediction.New(&p.Predictions); err != nil {
		return nil, fmt.Errorf("predictions: %w", err)
	}
	return p, nil
}

// check checks what needs no laying out.
func (p *predicting) check() error {
	switch {
	case len(p.Metrics) > maxPredictionMetrics:
		return fmt.Errorf("predictions: %d metrics: want at most %d", len(p.Metrics), maxPredictionMetrics)
	case len(p.Features) > maxFeatures:
		return fmt.Errorf("predictions: %d features: want at most %d", len(p.Features), maxFeatures)
	case len(p.Digests) > maxDigests:
		return fmt.Errorf("predictions: %d digests: want at most %d", len(p.Digests), maxDigests)
	}
	for _, a := range p.Metrics {
		if !isPredictionKind(a.Kind) {
			return fmt.Errorf("predictions: metric %q is of kind %q, which is not known", a.Metric, a.Kind)
		}
	}
	seen := make(map[string]bool)
	for _, header := range p.Digests {
		name := strings.ToLower(header)
		if !token(header) || seen[name] {
			return fmt.Errorf("predictions: digest %q is no name of a header, or is there twice", header)
		}
		seen[name] = true
	}
	return nil
}

func isPredictionKind(k experiment.PredictionKind) bool {
	switch k {
	case experiment.InvalidOutput, experiment.EmptyOutput, experiment.NullOutput,
		experiment.AbsentFeatures, experiment.NullFeatures, experiment.FailedExplanations,
		experiment.OutputSize, experiment.MeanScore, experiment.ExplanationTime:
		return true
	}
	return false
}

// isCellName says whether a name is that of a cell that gateways have beside
// those of metrics. CellTokens is a metric of answers like others.
func isCellName(name string) bool {
	switch name {
	case experiment.CellRequests, experiment.CellExposures, experiment.CellClasses, experiment.CellScores:
		return true
	}
	return strings.HasPrefix(name, experiment.CellDigest)
}

// samePredictions says whether what two routes read may be added together.
func samePredictions(a, b *experiment.PredictionsRoute) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Protocol == b.Protocol && a.Class == b.Class && a.Score == b.Score && a.Sample == b.Sample &&
		a.Classes == b.Classes && a.Scores == b.Scores && a.Rows == b.Rows &&
		slices.Equal(a.Features, b.Features) && slices.Equal(a.Digests, b.Digests) && slices.Equal(a.Metrics, b.Metrics)
}

// shortened is the beginning of a text, in at most n bytes of valid UTF-8.
func shortened(s string, n int) string {
	if len(s) > n {
		s = s[:n]
		for i := 1; i < utf8.UTFMax && len(s) > 0; i++ {
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
				break
			}
			s = s[:len(s)-1] // Half a character.
		}
	}
	return strings.ToValidUTF8(s, "?")
}
