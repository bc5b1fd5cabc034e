// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/stats"
	"github.com/headgate-dev/headgate/stats/counter"
)

// counterRows are the rows that package stats/counter computes.
func counterRows() map[string]computation {
	return map[string]computation{
		"poisson.rateRatio.exact":    row(rateRatioExact),
		"poisson.rateRatio.log":      row(rateRatioLog),
		"poisson.dispersion.windows": row(dispersion),
		"poisson.eprocess":           row(eventsBetween),
		"poisson.eprocess.segments":  row(eventSegments),
		"window.pairedLogRatio":      row(pairedLogRatio),
		"window.meanFromSumCount":    row(meanOfWindows),
		"prom.increase.reset":        row(increase),
	}
}

type eventCounts struct{ X1, T1, X2, T2 float64 }

func (c eventCounts) events() (first, second counter.Events) {
	return counter.Events{Count: int64(c.X1), Exposure: c.T1}, counter.Events{Count: int64(c.X2), Exposure: c.T2}
}

func rateRatioExact(in eventCounts) (answer, error) {
	first, second := in.events()
	p, err := counter.RateRatioP(first, second)
	if err != nil {
		return nil, err
	}
	l, err := counter.LogRateRatio(first, second)
	if err != nil {
		return nil, err
	}
	i, err := counter.RateRatioInterval(first, second, 0.95)
	return answer{"rr": math.Exp(l.Value), "p": p, "lo": i.Low, "hi": i.High}, err
}

func rateRatioLog(in eventCounts) (answer, error) {
	first, second := in.events()
	l, err := counter.LogRateRatio(first, second)
	if err != nil {
		return nil, err
	}
	half := -stats.NormalQuantile(0.025) * l.SE
	p, err := counter.RateRatioP(first, second)
	return answer{
		"rr": math.Exp(l.Value), "z": l.Value / l.SE,
		"lo": math.Exp(l.Value - half), "hi": math.Exp(l.Value + half), "p_exact_cond": p,
	}, err
}

func observations(amount, exposure []float64) ([]counter.Observation, error) {
	if len(amount) != len(exposure) {
		return nil, fmt.Errorf("%d amounts and %d exposures", len(amount), len(exposure))
	}
	out := make([]counter.Observation, len(amount))
	for i := range out {
		out[i] = counter.Observation{Amount: amount[i], Exposure: exposure[i]}
	}
	return out, nil
}

func dispersion(in struct {
	Y, E  []float64
	Group string
},
) (answer, error) {
	all, err := observations(in.Y, in.E)
	if err != nil {
		return nil, err
	}
	first := len(all) / 2
	if m := regexp.MustCompile(`first (\d+)`).FindStringSubmatch(in.Group); m != nil {
		if first, err = strconv.Atoi(m[1]); err != nil || first > len(all) {
			return nil, fmt.Errorf("read group %q", in.Group)
		}
	}
	d, err := counter.QuasiPoisson(all[first:], all[:first])
	return answer{
		"logRR": d.LogRatio.Value, "se_poisson": d.PoissonSE, "dispersion": d.Dispersion,
		"se_quasi": d.PoissonSE * math.Sqrt(d.Dispersion), "se_used_max1": d.LogRatio.SE,
	}, err
}

func eventsBetween(in struct {
	ErrA, ErrB int64
	RhoA, RhoB float64
	K          float64
},
) (answer, error) {
	e, err := stats.SRMLogE([]int64{in.ErrA, in.ErrB}, []float64{in.RhoA, in.RhoB}, in.K)
	return answer{"logE": e, "p": math.Exp(min(0, -e))}, err
}

func eventSegments(in struct {
	Segments []struct {
		ErrA, ErrB int64
		RhoA, RhoB float64
	}
	Prior string
},
) (answer, error) {
	tau := 0.5
	if m := regexp.MustCompile(`N\(0, ?([0-9.]+)(\^2)?\)`).FindStringSubmatch(in.Prior); m != nil {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return nil, fmt.Errorf("read prior %q: %w", in.Prior, err)
		}
		if tau = v; m[2] == "" {
			tau = math.Sqrt(v) // A variance.
		}
	}
	segments := make([]counter.Segment, len(in.Segments))
	for i, s := range in.Segments {
		segments[i] = counter.Segment{Candidate: s.ErrB, Baseline: s.ErrA, CandidateShare: s.RhoB, BaselineShare: s.RhoA}
	}
	logE := counter.LogE
	if strings.Contains(in.Prior, "half") {
		logE = counter.LogEGreater // Is B, the second version, worse?
	}
	e, err := logE(segments, tau)
	return answer{"logE": e}, err
}

func pairedLogRatio(in struct{ SumA, CntA, SumB, CntB []float64 }) (answer, error) {
	a, err := observations(in.SumA, in.CntA)
	if err != nil {
		return nil, err
	}
	b, err := observations(in.SumB, in.CntB)
	if err != nil {
		return nil, err
	}
	d, err := counter.PairedLogRatio(b, a, 0)
	if err != nil {
		return nil, err
	}
	p, err := d.LogRatio.P()
	return answer{"meanLogRatio": d.LogRatio.Value, "se": d.LogRatio.SE, "t": d.LogRatio.Value / d.LogRatio.SE, "p": p}, err
}

func meanOfWindows(in struct{ Sum, Count []float64 }) (answer, error) {
	windows, err := observations(in.Sum, in.Count)
	if err != nil {
		return nil, err
	}
	e, err := counter.RatioOfSums(windows)
	return answer{"mean": e.Value, "se": e.SE}, err
}

func increase(in struct{ Samples []float64 }) (answer, error) {
	v, _, err := counter.Increase(in.Samples)
	return answer{"increase": v}, err
}
