// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"errors"
	"math"
	"testing"
)

func fourth[A, B, C, D any](_ A, _ B, _ C, d D) D { return d }

func TestRefusalsOfComparisonsAndPlans(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	c, none, wrong := Counts{N: 10, X: 3}, Counts{}, Counts{N: 1, X: 2}
	m, ok := Moments{N: 9, Mean: 1, M2: 1}, Measured{Estimate{1, 1}, 9}
	pair := Pair{N: 9, MeanY: 1, MeanX: 1, M2Y: 1, M2X: 1}
	looks := EvenLooks(2)
	gamma, err := NewGammaExponential(0.05, 10, 1)
	if err != nil {
		t.Fatal(err)
	}
	beta, err := NewBetaBinomial(0.5, 0.05, 100, true)
	if err != nil {
		t.Fatal(err)
	}
	const input = "input"
	cases := map[string]struct {
		err  error
		want any // input, or the sentinel
	}{
		"Welch of one":                  {second(Welch(Moments{N: 1}, m)), ErrNoData},
		"Welch of NaN":                  {second(Welch(Moments{N: 3, Mean: nan}, m)), input},
		"contrast without variance":     {second(AbsoluteContrast(Measured{Estimate{1, 0}, 9}, Measured{Estimate{2, 0}, 9})), ErrNoData},
		"contrast of nobody":            {second(AbsoluteContrast(Measured{}, ok)), ErrNoData},
		"contrast of negative many":     {second(AbsoluteContrast(Measured{Estimate{1, 1}, -4}, ok)), input},
		"relative to zero":              {second(RelativeContrast(ok, Measured{Estimate{0, 1}, 9})), ErrNoData},
		"relative of infinity":          {second(RelativeContrast(Measured{Estimate{inf, 1}, 9}, ok)), input},
		"p of nothing":                  {second(Contrast{}.P()), ErrNoData},
		"p with negative df":            {second(Contrast{Estimate{1, 1}, -1}.PGreater()), input},
		"interval at level 0":           {second(Contrast{Estimate{1, 1}, 5}.Interval(0)), input},
		"lower bound at level NaN":      {second(Contrast{Estimate{1, 1}, 5}.Lower(nan)), input},
		"logarithm of zero":             {second(LogRatioInterval(Estimate{0, 1}, Estimate{1, 1}, 2)), ErrNoData},
		"logarithm of -1":               {second(LogRatioInterval(Estimate{1, 1}, Estimate{-1, 1}, 2)), input},
		"logarithm, z NaN":              {second(LogRatioInterval(Estimate{1, 1}, Estimate{1, 1}, nan)), input},
		"z without trials":              {third(TwoProportionZ(none, c)), ErrNoData},
		"z without hits":                {third(TwoProportionZ(Counts{N: 9}, Counts{N: 9})), ErrNoData},
		"z of more hits than trials":    {third(TwoProportionZ(wrong, c)), input},
		"Wilson without trials":         {second(WilsonInterval(none, 0.05)), ErrNoData},
		"Wilson at level 5":             {second(WilsonInterval(c, 5)), input},
		"Newcombe without trials":       {second(NewcombeInterval(c, none, 0.05)), ErrNoData},
		"Newcombe at level 0":           {second(NewcombeInterval(c, c, 0)), input},
		"score of no trials":            {second(MiettinenNurminenZ(c, none, 0)), ErrNoData},
		"score of no variation":         {second(MiettinenNurminenZ(Counts{N: 9}, Counts{N: 9}, 0)), ErrNoData},
		"score at 1":                    {second(MiettinenNurminenZ(c, c, 1)), input},
		"score interval at level 1":     {second(MiettinenNurminenInterval(c, c, 1)), input},
		"score interval of nothing":     {second(MiettinenNurminenInterval(none, none, 0.05)), ErrNoData},
		"risk ratio without hits":       {third(RiskRatio(c, Counts{N: 9}, 0.05)), ErrNoData},
		"risk ratio at level 0":         {third(RiskRatio(c, c, 0)), input},
		"Fisher without trials":         {third(FisherExact(c, none)), ErrNoData},
		"Fisher of too many":            {third(FisherExact(Counts{N: 1 << 31}, c)), input},
		"Fisher of too many to add":     {third(FisherExact(Counts{N: math.MaxInt64}, Counts{N: math.MaxInt64})), input},
		"CUPED of one unit":             {second(Cuped(Pair{N: 1}, pair, Joint)), ErrNoData},
		"CUPED by no rule":              {second(Cuped(pair, pair, 7)), input},
		"CUPED without variation":       {second(Cuped(Pair{N: 9}, Pair{N: 9}, PerVersion)), ErrNoData},
		"CUPED relative to zero":        {second(CupedRelative(pair, Pair{N: 9, M2Y: 1, M2X: 1}, Joint)), ErrNoData},
		"linear over zero":              {second(Triple{N: 9, M2Y: 1}.Linear()), ErrNoData},
		"linear after NaN":              {second(Triple{N: 9, MeanX: 1, CYZ: nan}.Linear()), input},
		"no strata":                     {second(PostStratify(nil)), ErrNoData},
		"stratum of one version":        {second(PostStratify([]Stratum{{1, ok, Measured{}}})), ErrNoData},
		"stratum with negative weight":  {second(PostStratify([]Stratum{{-1, ok, ok}})), input},
		"no tables":                     {second(MantelHaenszel(nil, 0.05, false)), ErrNoData},
		"tables without hits":           {second(MantelHaenszel([]BinaryStratum{{Counts{N: 9}, Counts{N: 9}}}, 0.05, false)), ErrNoData},
		"table of a wrong count":        {second(MantelHaenszel([]BinaryStratum{{wrong, c}}, 0.05, false)), input},
		"cap of nothing":                {second(PooledCap(0.9)), ErrNoData},
		"cap at 0":                      {second(PooledCap(0, []float64{1})), input},
		"cap of NaN":                    {second(PooledCap(0.9, []float64{nan})), input},
		"skewness of one":               {second(Shape{Moments: Moments{N: 1}}.Skewness()), ErrNoData},
		"skewness of NaN":               {second(Shape{Moments: m, M3: nan}.Skewness()), input},
		"no phases":                     {fourth(SRMPhases(nil)), ErrNoData},
		"phase without a share":         {fourth(SRMPhases([]SplitPhase{{[]int64{5, 5}, []float64{1, 0}}})), ErrImpossible},
		"phase with shares missing":     {fourth(SRMPhases([]SplitPhase{{[]int64{0, 0}, []float64{1}}})), input},
		"phase with negative counts":    {fourth(SRMPhases([]SplitPhase{{[]int64{-5, 5}, []float64{1, 1}}})), input},
		"adaptive split of nothing":     {third(SRMAdaptive(nil)), ErrNoData},
		"adaptive units without choice": {third(SRMAdaptive([]AdaptiveSplit{{Units: 3}})), ErrImpossible},
		"adaptive units below 0":        {third(SRMAdaptive([]AdaptiveSplit{{Units: -3}})), input},
		"adaptive variance NaN":         {third(SRMAdaptive([]AdaptiveSplit{{Units: 3, Variance: nan}})), input},
		"missing of nothing":            {third(MissingOutcomes(none, c)), ErrNoData},
		"exposure of nothing":           {third(MultipleExposure(none)), ErrNoData},
		"balance of nothing":            {second(PreExposureBalance(nil)), ErrNoData},
		"balance of one":                {second(PreExposureBalance([]Balance{{Moments{N: 1}, m}})), ErrNoData},
		"classical without looks":       {second(ClassicalBoundaries(0, 0.05, 0.5, true)), input},
		"classical of shape 2":          {second(ClassicalBoundaries(2, 0.05, 2, true)), input},
		"classical at alpha 0.6":        {second(ClassicalBoundaries(2, 0.6, 0.5, false)), input},
		"classical at alpha 1e-17":      {second(ClassicalBoundaries(2, 1e-17, 0.5, true)), input},
		"power out of reach":            {second(BoundaryInflation([]float64{8, 1e6}, looks, 0.05, 0.8)), input},
		"power that needs nothing":      {second(BoundaryInflation([]float64{-1, -1}, looks, 0.05, 0.8)), input},
		"expected sample, no bounds":    {second(ExpectedSample(nil, looks, 1)), input},
		"conditional power at the end":  {second(ConditionalPower(1, 1, 2, 0)), input},
		"predictive power of NaN":       {second(PredictivePower(nan, 0.5, 2)), input},
		"repeated interval of nothing":  {second(RepeatedInterval(Estimate{}, 2)), ErrNoData},
		"repeated interval, bound -1":   {second(RepeatedInterval(Estimate{1, 1}, -1)), input},
		"repeated p without looks":      {second(RepeatedP(2, nil, Pocock)), input},
		"repeated p of NaN":             {second(RepeatedP(nan, looks, Pocock)), input},
		"stage-wise without looks":      {second(StagewiseP(2, nil, nil)), input},
		"stage-wise without bounds":     {second(StagewiseP(2, nil, looks)), input},
		"median of nothing":             {third(MedianUnbiased(Estimate{}, nil, looks[:1], 0.05)), ErrNoData},
		"median of the impossible":      {third(MedianUnbiased(Estimate{99, 1}, nil, looks[:1], 0.05)), input},
		"radius without a ratio":        {second(MixtureRadius(0, 0.05)), input},
		"radius of few df":              {second(StudentMixtureRadius(0.01, 1, 0.05)), ErrNoData},
		"relaxed bound at 0.5":          {second(mustMixture(t).LowerRelaxed(Estimate{1, 1}, 10, 0.5)), input},
		"gamma mixture at 0.5":          {second(NewGammaExponential(0.5, 1, 1)), input},
		"gamma mixture of c 0":          {second(NewGammaExponential(0.05, 1, 0)), input},
		"gamma mixture not made":        {second(GammaExponential{}.LogE(1, 1)), input},
		"gamma sum too low":             {second(gamma.LogE(-1e9, 1)), input},
		"gamma variance below 0":        {second(gamma.Bound(-1, 0.05)), input},
		"gamma variance too large":      {second(gamma.LogE(1, 1e13)), input},
		"beta mixture against 0":        {second(NewBetaBinomial(0, 0.05, 10, false)), input},
		"beta mixture at 0.5, one way":  {second(NewBetaBinomial(0.5, 0.5, 10, true)), input},
		"beta mixture not made":         {second(BetaBinomial{}.Excess(10, 0.05)), input},
		"beta excess of two trials":     {second(beta.Excess(2, 0.05)), ErrNoData},
		"one-sided Bernoulli, none":     {second(BernoulliLogEGreater(none, 0.5, 0.05, 10)), ErrNoData},
		"multinomial, prior missing":    {second(MultinomialLogE([]int64{1, 2}, []float64{1, 1}, []float64{1})), input},
		"multinomial, prior 0":          {second(MultinomialLogE([]int64{1, 2}, []float64{1, 1}, []float64{1, 0})), input},
		"t sample for no effect":        {second(SampleSizeT(1, 0, 0.05, 0.8)), input},
		"t sample for power 1":          {second(SampleSizeT(1, 1, 0.05, 1)), input},
		"non-inferiority, no margin":    {second(SampleSizeNonInferiority(0.5, 0, 0.05, 0.8)), input},
		"rule of 16 without effect":     {second(RuleOf16(1, 0)), input},
		"detectable with no error":      {second(DetectableEffect(0, 0.05, 0.8)), input},
		"no success metric":             {third(MetricLevels(0.05, 0.8, 0, 1)), input},
		"guardrails below 0":            {third(MetricLevels(0.05, 0.8, 1, -1)), input},
		"duration without traffic":      {fourth(Traffic{Exposure: 1}.Duration(10)), input},
		"duration of twice everybody":   {fourth(Traffic{PerDay: 1, Exposure: 2}.Duration(10)), input},
		"duration of an age":            {fourth(Traffic{PerDay: 1e-9, Exposure: 1}.Duration(10)), input},
		"remaining for no effect":       {second(Remaining(Estimate{1, 1}, 10, 0, 0.8, FixedRadius(0.05))), input},
		"remaining out of reach":        {second(Remaining(Estimate{1, 1}, 10, 1e-9, 0.8, FixedRadius(0.05))), input},
		"remaining without a radius":    {second(Remaining(Estimate{1, 1}, 10, 1, 0.8, nil)), input},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.want != input {
				if !errors.Is(c.err, c.want.(error)) {
					t.Fatalf("got %v, want %v", c.err, c.want)
				}
				return
			}
			if in, ok := errors.AsType[*InputError](c.err); !ok || in.Func == "" || in.Arg == "" || in.Want == "" {
				t.Fatalf("got %v, want an *InputError", c.err)
			}
		})
	}
}

func mustMixture(t *testing.T) Mixture {
	t.Helper()
	m, err := NewMixture(0.05, 100)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
