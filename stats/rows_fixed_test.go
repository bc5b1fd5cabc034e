// SPDX-License-Identifier: Apache-2.0

package stats_test

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/headgate-dev/headgate/stats"
)

// fixedRows are the rows of tests at one look.
func fixedRows() map[string]computation {
	return map[string]computation{
		"prop.pooledZ":                  row(pooledZ),
		"prop.diffCI.newcombe":          row(newcombe),
		"prop.diffCI.miettinenNurminen": row(miettinenNurminen),
		"prop.riskRatio.log":            row(riskRatio),
		"prop.delta.relative":           row(proportionRelative),
		"fisherExact":                   row(fisherExact),
		"mean.welch":                    row(welch),
		"mean.welch.suff":               row(welchFromSums),
		"mean.oneSided.greater":         row(meanGreater),
		"ratio.delta":                   row(ratioDelta),
		"ratio.delta.clustered":         row(ratioClustered),
		"ratio.fieller":                 row(fieller),
		"noninf.relative":               row(noninfRelative),
		"noninf.absolute":               row(noninfAbsolute),
	}
}

func pooledZ(in struct {
	X, N [2]int64
	Dir  string
},
) (answer, error) {
	if in.Dir == "p2-p1" {
		in.X[0], in.X[1], in.N[0], in.N[1] = in.X[1], in.X[0], in.N[1], in.N[0]
	}
	z, p, err := stats.TwoProportionZ(stats.Counts{N: in.N[0], X: in.X[0]}, stats.Counts{N: in.N[1], X: in.X[1]})
	return answer{"z": z, "p": p, "chi2": z * z}, err
}

// proportionPair are two proportions of which the first stands for the candidate.
type proportionPair struct {
	X1, N1, X2, N2 int64
	Conf           float64
}

func (in proportionPair) first() stats.Counts  { return stats.Counts{N: in.N1, X: in.X1} }
func (in proportionPair) second() stats.Counts { return stats.Counts{N: in.N2, X: in.X2} }

func (in proportionPair) alpha() float64 {
	if in.Conf == 0 {
		return 0.05
	}
	return 1 - in.Conf
}

func newcombe(in proportionPair) (answer, error) {
	i, err := stats.NewcombeInterval(in.first(), in.second(), in.alpha())
	return answer{"lo": i.Low, "hi": i.High}, err
}

func miettinenNurminen(in proportionPair) (answer, error) {
	i, err := stats.MiettinenNurminenInterval(in.first(), in.second(), in.alpha())
	return answer{"lo": i.Low, "hi": i.High}, err
}

func riskRatio(in proportionPair) (answer, error) {
	rr, i, err := stats.RiskRatio(in.first(), in.second(), in.alpha())
	return answer{"rr": rr, "lo": i.Low, "hi": i.High}, err
}

func fisherExact(in struct{ Table [2][2]int64 }) (answer, error) {
	t := in.Table
	p, midP, err := stats.FisherExact(stats.Counts{N: t[0][0] + t[0][1], X: t[0][0]}, stats.Counts{N: t[1][0] + t[1][1], X: t[1][0]})
	return answer{"p": p, "midp": midP}, err
}

// contrast is what rows say about an effect, two-sided at 5 %.
func contrast(c stats.Contrast, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	i, errI := c.Interval(0.05)
	p, errP := c.P()
	return answer{"est": c.Value, "se": c.SE, "t": c.Value / c.SE, "df": c.DF, "lo": i.Low, "hi": i.High, "p": p}, errors.Join(errI, errP)
}

// compared is a contrast on the scale that a row asks for.
func compared(effect string, candidate, baseline stats.Measured) (answer, error) {
	if strings.Contains(effect, "relative") {
		return contrast(stats.RelativeContrast(candidate, baseline))
	}
	return contrast(stats.AbsoluteContrast(candidate, baseline))
}

func proportionRelative(in struct{ A, B version }) (answer, error) {
	a, errA := in.A.counts().Proportion()
	b, errB := in.B.counts().Proportion()
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	return compared("relative", stats.Measured{Estimate: b, Units: int64(in.B.N)}, stats.Measured{Estimate: a, Units: int64(in.A.N)})
}

func welch(in struct {
	A, B []float64
	Dir  string
},
) (answer, error) {
	var a, b stats.Moments
	for _, x := range in.A {
		a.Add(x)
	}
	for _, x := range in.B {
		b.Add(x)
	}
	if in.Dir == "b-a" {
		a, b = b, a
	}
	return contrast(stats.Welch(a, b))
}

// mean is the mean with its standard error.
func mean(m stats.Moments) (stats.Measured, error) {
	v, err := m.Variance()
	return stats.Measured{Estimate: stats.Estimate{Value: m.Mean, SE: math.Sqrt(v / float64(m.N))}, Units: m.N}, err
}

// twoVersions are two versions' sums and the scale of the effect, B over A.
type twoVersions struct {
	A, B   version
	Effect string
}

func welchFromSums(in twoVersions) (answer, error) {
	a, errA := mean(in.A.moments())
	b, errB := mean(in.B.moments())
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	return compared(in.Effect, b, a)
}

func meanGreater(in twoVersions) (answer, error) {
	c, err := stats.Welch(in.B.moments(), in.A.moments())
	if err != nil {
		return nil, err
	}
	low, errL := c.Lower(0.05)
	p, errP := c.PGreater()
	return answer{"est": c.Value, "se": c.SE, "lo": low, "hi": math.Inf(1), "p": p}, errors.Join(errL, errP)
}

func ratioDelta(in twoVersions) (answer, error) {
	a, errA := in.A.ratio().Ratio()
	b, errB := in.B.ratio().Ratio()
	if err := errors.Join(errA, errB); err != nil {
		return nil, err
	}
	out, err := compared(in.Effect, stats.Measured{Estimate: b, Units: int64(in.B.N)}, stats.Measured{Estimate: a, Units: int64(in.A.N)})
	if err == nil {
		out["rA"], out["rB"] = a.Value, b.Value
	}
	return out, err
}

func ratioClustered(in struct{ M, D []float64 }) (answer, error) {
	var p stats.Pair
	var c stats.Counts
	for i := range in.M {
		p.Add(in.M[i], in.D[i])
		c = c.Merge(stats.Counts{N: int64(in.D[i]), X: int64(in.M[i])})
	}
	r, err := p.Ratio()
	out := answer{"ratio": r.Value, "var_of_ratio": r.SE * r.SE}
	if naive, err := c.Proportion(); err == nil {
		out["naive_binomial_var"] = naive.SE * naive.SE
		out["designEffect"] = r.SE * r.SE / (naive.SE * naive.SE)
	}
	return out, err
}

func fieller(in struct {
	MT, VT, MC, VC, Conf float64
	Out                  string
},
) (answer, error) {
	t, c := stats.Estimate{Value: in.MT, SE: math.Sqrt(in.VT)}, stats.Estimate{Value: in.MC, SE: math.Sqrt(in.VC)}
	i, ok := stats.RelativeInterval(t, c, upper((1-in.Conf)/2))
	if !ok {
		return nil, fmt.Errorf("unbounded")
	}
	if !strings.Contains(in.Out, "-1") && !strings.Contains(in.Out, "relative") && !strings.Contains(in.Out, "lift") {
		i.Low, i.High = i.Low+1, i.High+1 // The row states the ratio itself.
	}
	return answer{"lo": i.Low, "hi": i.High}, nil
}

func noninfRelative(in struct {
	MT, NT, MC, NC float64
	VT, VC         *float64
	Margin         float64
	Higher         bool `json:"higherIsBetter"`
},
) (answer, error) {
	vt, vc := in.MT*(1-in.MT), in.MC*(1-in.MC)
	if in.VT != nil {
		vt, vc = *in.VT, *in.VC
	}
	sign := 1.0
	if !in.Higher {
		sign = -1
	}
	l := stats.Linearised(
		stats.Estimate{Value: in.MT, SE: math.Sqrt(vt / in.NT)},
		stats.Estimate{Value: in.MC, SE: math.Sqrt(vc / in.NC)}, 1-sign*in.Margin)
	z := sign * l.Value / l.SE
	return answer{"z": z, "p": stats.NormalSF(z)}, nil
}

func noninfAbsolute(in struct {
	PC, NC, PT, NT, Margin float64
	Lower                  bool `json:"lowerIsBetter"`
},
) (answer, error) {
	d := stats.Difference(
		stats.Estimate{Value: in.PT, SE: math.Sqrt(in.PT * (1 - in.PT) / in.NT)},
		stats.Estimate{Value: in.PC, SE: math.Sqrt(in.PC * (1 - in.PC) / in.NC)},
	)
	sign := 1.0
	if in.Lower {
		sign = -1
	}
	z := (sign*d.Value + in.Margin) / d.SE
	return answer{"z": z, "p": stats.NormalSF(z)}, nil
}
