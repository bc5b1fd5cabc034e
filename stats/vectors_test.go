// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// row is one reference number: inputs and outputs of a named function, made by
// the independent program that src names.
type row struct {
	ID     string          `json:"id"`
	Fn     string          `json:"fn"`
	Input  json.RawMessage `json:"input"`
	Expect map[string]any  `json:"expect"`
	Tol    float64         `json:"tol"`
	Src    string          `json:"src"`
}

// input has the fields of all rows that this package can compute. Keys match
// without regard to case; rows in which one key means something else have a
// struct of their own.
type input struct {
	X           json.RawMessage // a count in some rows, a list in others
	Var, Theta  json.RawMessage // a number in some rows, a word in others
	N, K        float64
	Est, SE     float64
	Nstar       float64
	A, B        *group
	Effect      string
	M, D        []float64
	S, V, G, H  float64
	Topt, Vopt  float64
	Alpha       float64
	AlphaOpt    float64 `json:"alpha_opt"`
	AlphaOne    float64 `json:"alpha_one"`
	Sides, Z    float64
	Power, Conf float64
	T           []float64
	Rho         float64
	Design, Out string

	MT, VT, MC, VC float64
	NT, NC, PC, PT float64
	Margin         float64
	Lower          bool `json:"lowerIsBetter"`

	Counts        []int64
	Weights       []float64
	Theta0        []float64
	Concentration float64
	CountsByBatch [][]int64 `json:"counts_by_batch"`
	AlphaPrior    []float64 `json:"alpha_prior"`

	P, P1, P2 float64
	Delta, SD float64
	Ratio     float64 `json:"ratio_T_over_C"`
}

// group is one version's sufficient statistics.
type group struct {
	N, X                            float64
	SumM, SumM2, SumD, SumD2, SumMD float64
}

// pair centres the sums.
func (g *group) pair() Pair {
	return Pair{
		N: int64(g.N), MeanY: g.SumM / g.N, MeanX: g.SumD / g.N,
		M2Y: g.SumM2 - g.SumM*g.SumM/g.N, M2X: g.SumD2 - g.SumD*g.SumD/g.N, CYX: g.SumMD - g.SumM*g.SumD/g.N,
	}
}

// answer are computed outputs by name; nil means that the row asks for a
// variant that the package does not have.
type answer map[string]any

// decode reads the input of a row.
func decode(raw json.RawMessage) (input, error) {
	var in input
	err := json.Unmarshal(raw, &in)
	return in, err
}

// computed says how each function of the rows is computed here.
var computed = map[string]func(json.RawMessage) (answer, error){
	"ratio.delta":           ratioDelta,
	"ratio.delta.clustered": ratioClustered,
	"ratio.fieller":         fieller,
	"mix.normal2.rho":       normalRho,
	"mix.normal2.logE":      normalLogE,
	"mix.normal2.bound":     normalBound,
	"mix.normal1.logE":      normalGreaterLogE,
	"mix.normal1.bound":     normalGreaterBound,
	"mix.betaBinom2.bound":  betaBinomialBound,
	"bernoulliCS":           bernoulliCS,
	"asympCS.multiplier":    csMultiplier,
	"asympCS.ci":            csInterval,
	"gs.ldOBF":              func(r json.RawMessage) (answer, error) { return boundaryRow(r, OBrienFleming) },
	"gs.ldPocock":           func(r json.RawMessage) (answer, error) { return boundaryRow(r, Pocock) },
	"gs.kimDeMets":          func(r json.RawMessage) (answer, error) { return boundaryRow(r, nil) },
	"gs.crossProb":          crossRow,
	"gs.inflation":          inflationRow,
	"srm.chi2":              srmChi2,
	"srm.sequential":        srmSequential,
	"mcnemar.anytime":       mcnemarAnytime,
	"poisson.eprocess":      eventsBetween,
	"noninf.relative":       noninfRelative,
	"noninf.absolute":       noninfAbsolute,
	"n.twoProps":            nTwoProps,
	"n.twoMeans.z":          nTwoMeans,
	"n.unequal":             nUnequal,
	"n.noninf.binary":       nNoninf,
	"power.twoProps":        powerTwoProps,
}

func ratioDelta(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil || in.Effect != "absolute" {
		return nil, err
	}
	a, errA := in.A.pair().Ratio()
	b, errB := in.B.pair().Ratio()
	d := Difference(b, a)
	// The rows' interval and p use Student's t, which this package does not.
	return answer{"rA": a.Value, "rB": b.Value, "est": d.Value, "se": d.SE}, firstError(errA, errB)
}

func ratioClustered(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	var p Pair
	var c Counts
	for i := range in.M {
		p.Add(in.M[i], in.D[i])
		c = c.Merge(Counts{N: int64(in.D[i]), X: int64(in.M[i])})
	}
	r, err := p.Ratio()
	out := answer{"ratio": r.Value, "var_of_ratio": r.SE * r.SE}
	if naive, err := c.Proportion(); err == nil {
		out["naive_binomial_var"] = naive.SE * naive.SE
		out["designEffect"] = r.SE * r.SE / (naive.SE * naive.SE)
	}
	return out, err
}

func fieller(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	i, ok := RelativeInterval(Estimate{in.MT, math.Sqrt(in.VT)}, Estimate{in.MC, math.Sqrt(in.VC)}, -NormalQuantile((1-in.Conf)/2))
	if !ok {
		return nil, fmt.Errorf("unbounded")
	}
	if !strings.Contains(in.Out, "-1") && !strings.Contains(in.Out, "relative") && !strings.Contains(in.Out, "lift") {
		i.Low, i.High = i.Low+1, i.High+1 // The row states the ratio itself.
	}
	return answer{"lo": i.Low, "hi": i.High}, nil
}

func normalRho(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	m, err := NewMixture(in.Alpha, in.Vopt)
	return answer{"rho": 1 / m.rate}, err
}

func normalLogE(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	m, errM := NewMixture(0.05, in.Vopt)
	e, errE := m.LogE(Estimate{in.S, math.Sqrt(in.V)}, in.V)
	return answer{"logE": e}, firstError(errM, errE)
}

func normalBound(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	m, errM := NewMixture(in.Alpha, in.Vopt)
	i, errI := m.Interval(Estimate{0, math.Sqrt(in.V)}, in.V, in.Alpha)
	return answer{"bound": i.High}, firstError(errM, errI)
}

func normalGreaterLogE(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	m, errM := NewMixture(2*in.AlphaOpt, in.Vopt)
	e, errE := m.LogEGreater(Estimate{in.S, math.Sqrt(in.V)}, in.V)
	return answer{"logE": e}, firstError(errM, errE)
}

func normalGreaterBound(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	m, errM := NewMixture(2*in.Alpha, in.Vopt)
	low, errL := m.Lower(Estimate{0, math.Sqrt(in.V)}, in.V, in.Alpha)
	return answer{"bound": -low}, firstError(errM, errL)
}

func betaBinomialBound(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil || in.G+in.H != 1 {
		return nil, err
	}
	gh := in.G * in.H
	n := in.V / gh
	m := max(in.Vopt/gh/tuning(in.Alpha)-1, 1e-3)
	s := root(func(s float64) float64 {
		x := s + n*in.G
		return bernoulliLogE(x, n-x, in.G, in.H, m) + math.Log(in.Alpha)
	}, 0, n*in.H, 1e-12)
	return answer{"bound": s}, nil
}

func bernoulliCS(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	var x int64
	if err := json.Unmarshal(in.X, &x); err != nil {
		return nil, err
	}
	i, err := BernoulliInterval(Counts{N: int64(in.N), X: x}, in.Alpha, in.Topt)
	return answer{"lo": i.Low, "hi": i.High}, err
}

func csMultiplier(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	m, errM := NewMixture(in.Alpha, in.Nstar)
	i, errI := m.Interval(Estimate{0, 1}, in.N, in.Alpha)
	return answer{"halfwidth_over_se": i.High}, firstError(errM, errI)
}

func csInterval(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	est, n := Estimate{in.Est, in.SE}, in.N
	if in.A != nil {
		a, errA := Counts{N: int64(in.A.N), X: int64(in.A.X)}.Proportion()
		b, errB := Counts{N: int64(in.B.N), X: int64(in.B.X)}.Proportion()
		if err := firstError(errA, errB); err != nil {
			return nil, err
		}
		est, n = Difference(b, a), in.A.N+in.B.N
	}
	m, errM := NewMixture(in.Alpha, in.Nstar)
	i, errI := m.Interval(est, n, in.Alpha)
	e, errE := m.LogE(est, n)
	return answer{"lo": i.Low, "hi": i.High, "p": math.Exp(min(0, -e))}, firstError(errM, errI, errE)
}

// equalLooks are k looks in equal steps.
func equalLooks(k int) []Look {
	looks := make([]Look, k)
	for i := range looks {
		t := float64(i+1) / float64(k)
		looks[i] = Look{Spent: t, Information: t}
	}
	return looks
}

// oneSided is the level of one side.
func (in input) oneSided() float64 { return in.Alpha / max(in.Sides, 1) }

func boundaryRow(raw json.RawMessage, spend Spending) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if spend == nil {
		spend = KimDeMets(in.Rho)
	}
	looks := make([]Look, len(in.T))
	spent := make([]float64, len(in.T))
	for i, t := range in.T {
		looks[i] = Look{Spent: t, Information: t}
		spent[i] = spend(in.oneSided(), t)
	}
	z, err := Boundaries(looks, in.oneSided(), spend)
	return answer{"z": z, "spent": spent}, err
}

func crossRow(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	var drift float64
	if err := json.Unmarshal(in.Theta, &drift); err != nil {
		return nil, err
	}
	bounds := make([]float64, int(in.K))
	for i := range bounds {
		bounds[i] = in.Z
	}
	ps, err := TwoSidedCrossingProbability(bounds, equalLooks(int(in.K)), drift)
	sum := 0.0
	for _, p := range ps {
		sum += p
	}
	return answer{"typeI": sum}, err
}

func inflationRow(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	spend := map[string]Spending{"ldOBF": OBrienFleming, "ldPocock": Pocock}[in.Design]
	if spend == nil {
		return nil, nil // The classical designs with a constant shape.
	}
	r, err := Inflation(equalLooks(int(in.K)), in.oneSided(), in.Power, spend)
	return answer{"R": r}, err
}

func srmChi2(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	chi2, p, err := SRMChiSquared(in.Counts, in.Weights)
	return answer{"chi2": chi2, "p": p}, err
}

func srmSequential(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if in.CountsByBatch == nil {
		e, err := SRMLogE(in.Counts, in.Theta0, in.Concentration)
		return answer{"logBF": e, "p": math.Exp(min(0, -e))}, err
	}
	counts := make([]float64, len(in.Theta0))
	var out []float64
	p := 1.0
	for _, batch := range in.CountsByBatch {
		for i, c := range batch {
			counts[i] += float64(c)
		}
		e := dirichletLogE(counts, in.Theta0, in.AlphaPrior)
		out, p = append(out, e), min(p, math.Exp(-e))
	}
	return answer{"logBF": out, "p": p}, nil
}

func mcnemarAnytime(raw json.RawMessage) (answer, error) {
	var in struct {
		B, C int64
		K    float64
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	e, err := SRMLogE([]int64{in.B, in.C}, []float64{1, 1}, in.K)
	return answer{"logE": e, "p": math.Exp(min(0, -e))}, err
}

func eventsBetween(raw json.RawMessage) (answer, error) {
	var in struct {
		ErrA, ErrB int64
		RhoA, RhoB float64
		K          float64
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	e, err := SRMLogE([]int64{in.ErrA, in.ErrB}, []float64{in.RhoA, in.RhoB}, in.K)
	return answer{"logE": e, "p": math.Exp(min(0, -e))}, err
}

func noninfRelative(raw json.RawMessage) (answer, error) {
	var in struct {
		MT float64  `json:"mT"`
		VT *float64 `json:"vT"`
		NT float64  `json:"nT"`
		MC float64  `json:"mC"`
		VC *float64 `json:"vC"`
		NC float64  `json:"nC"`

		Margin float64
		Higher bool `json:"higherIsBetter"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	vt, vc := in.MT*(1-in.MT), in.MC*(1-in.MC)
	if in.VT != nil {
		vt, vc = *in.VT, *in.VC
	}
	sign := 1.0
	if !in.Higher {
		sign = -1
	}
	l := Linearised(Estimate{in.MT, math.Sqrt(vt / in.NT)}, Estimate{in.MC, math.Sqrt(vc / in.NC)}, 1-sign*in.Margin)
	z := sign * l.Value / l.SE
	return answer{"z": z, "p": NormalSF(z)}, nil
}

func noninfAbsolute(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	d := Difference(
		Estimate{in.PT, math.Sqrt(in.PT * (1 - in.PT) / in.NT)},
		Estimate{in.PC, math.Sqrt(in.PC * (1 - in.PC) / in.NC)},
	)
	sign := 1.0
	if in.Lower {
		sign = -1
	}
	z := (sign*d.Value + in.Margin) / d.SE
	return answer{"z": z, "p": NormalSF(z)}, nil
}

func nTwoProps(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	n, err := SampleSizeProportions(in.P1, in.P2, in.Alpha, in.Power)
	return answer{"n_per_arm": n}, err
}

func nTwoMeans(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	var v float64
	if err := json.Unmarshal(in.Var, &v); err != nil {
		return nil, err
	}
	b, c, err := SampleSizeDifference(math.Sqrt(v), math.Sqrt(v), in.Delta, in.Alpha/2, in.Power, 1)
	return answer{"n_total": b + c}, err
}

func nUnequal(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	b, c, errU := SampleSizeDifference(in.SD, in.SD, in.Delta, in.Alpha/2, in.Power, in.Ratio)
	b1, c1, errB := SampleSizeDifference(in.SD, in.SD, in.Delta, in.Alpha/2, in.Power, 1)
	return answer{"nT": c, "nC": b, "total_vs_balanced": (b + c) / (b1 + c1)}, firstError(errU, errB)
}

func nNoninf(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	sd := math.Sqrt(in.P * (1 - in.P))
	n, _, err := SampleSizeDifference(sd, sd, in.Margin, in.AlphaOne, in.Power, 1)
	return answer{"n_per_arm": n, "ceil": math.Ceil(n)}, err
}

func powerTwoProps(raw json.RawMessage) (answer, error) {
	in, err := decode(raw)
	if err != nil {
		return nil, err
	}
	p := (in.P1 + in.P2) / 2
	unpooled := math.Sqrt(in.P1*(1-in.P1) + in.P2*(1-in.P2))
	z := -NormalQuantile(in.Alpha/2) * math.Sqrt(2*p*(1-p)) / unpooled
	power, err := PowerDifference(math.Abs(in.P1-in.P2), unpooled/math.Sqrt(in.N), z)
	return answer{"power": power}, err
}

func TestVectors(t *testing.T) {
	files := []string{filepath.Join("testdata", "vectors.jsonl")}
	files = append(files, filepath.SplitList(os.Getenv("HEADGATE_STATS_VECTORS"))...)
	for i, file := range files {
		rows := readRows(t, file)
		for _, r := range rows {
			name := r.ID
			if i > 0 {
				name = filepath.Base(file) + "/" + r.ID
			}
			t.Run(name, func(t *testing.T) { checkRow(t, r, i == 0) })
		}
	}
}

func readRows(t *testing.T, file string) []row {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []row
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var r row
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		rows = append(rows, r)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no rows", file)
	}
	return rows
}

// checkRow compares what the package computes with the row. Own rows must be
// computed; rows from elsewhere may ask for functions that are not here.
func checkRow(t *testing.T, r row, own bool) {
	compute := computed[r.Fn]
	var got answer
	if compute != nil {
		var err error
		if got, err = compute(r.Input); err != nil {
			t.Fatal(err)
		}
	}
	if got == nil {
		if own {
			t.Fatalf("%s is not computed", r.Fn)
		}
		t.Skipf("this package has no function for %s as the row asks for it", r.Fn)
	}
	compared := 0
	for key, want := range r.Expect {
		have, ok := got[key]
		if !ok {
			t.Logf("%s is not computed here", key)
			continue
		}
		h, w := numbers(have), numbers(want)
		if len(h) != len(w) || len(w) == 0 {
			t.Errorf("%s = %v, want %v", key, have, want)
			continue
		}
		for i := range w {
			compared++
			if reason := disagree(key, h[i], w[i], r.Tol); reason != "" {
				t.Errorf("%s[%d] = %.12g, want %.12g: %s (%s)", key, i, h[i], w[i], reason, r.Src)
			}
		}
	}
	if compared == 0 {
		t.Errorf("no output of %v was compared", r.Expect)
	}
}

// numbers flattens a number or a list of numbers.
func numbers(v any) []float64 {
	switch v := v.(type) {
	case float64:
		return []float64{v}
	case []float64:
		return v
	case []any:
		var out []float64
		for _, e := range v {
			out = append(out, numbers(e)...)
		}
		return out
	}
	return nil
}

// disagree applies the pass rule: the row's tolerance, relative above 1, and
// for small p-values and e-values, given as logarithms, also 1e-4 relative,
// because accurate tails are the point.
func disagree(key string, got, want, tol float64) string {
	d := math.Abs(got - want)
	if !(d <= tol*max(1, math.Abs(want))) {
		return fmt.Sprintf("off by %.3g, tolerance %.3g", d, tol)
	}
	switch {
	case key == "p" && want < 1e-3 && !(d <= 1e-4*want):
		return fmt.Sprintf("off by %.3g of a small p-value", d/want)
	case (key == "logE" || key == "logBF") && !(d <= 1e-4):
		return fmt.Sprintf("off by %.3g in the logarithm of an e-value", d)
	}
	return ""
}
