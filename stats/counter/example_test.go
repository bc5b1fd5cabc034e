// SPDX-License-Identifier: Apache-2.0

package counter_test

import (
	"fmt"
	"math"
	"time"

	"github.com/headgate-dev/headgate/stats/counter"
)

// A canary of three steps, watched after each: are there more errors?
func ExampleLogEGreater() {
	steps := []counter.Segment{
		{Candidate: 3, Baseline: 95, CandidateShare: 1, BaselineShare: 99},
		{Candidate: 16, Baseline: 80, CandidateShare: 10, BaselineShare: 90},
		{Candidate: 71, Baseline: 52, CandidateShare: 50, BaselineShare: 50},
	}
	for i := range steps {
		logE, err := counter.LogEGreater(steps[:i+1], 0.5)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("after step %d: e-value %.1f, harm: %t\n", i+1, math.Exp(logE), logE >= -math.Log(0.05))
	}
	i, err := counter.RatioInterval(steps, 0.5, 0.05)
	fmt.Printf("errors per request, times the baseline's: %.2f to %.2f (%v)\n", i.Low, i.High, err)
	// Output:
	// after step 1: e-value 2.1, harm: false
	// after step 2: e-value 9.5, harm: false
	// after step 3: e-value 20.3, harm: true
	// errors per request, times the baseline's: 0.96 to 2.43 (<nil>)
}

// A scrape that failed for two minutes is a gap, not a quiet time.
func ExampleSeries_Windows() {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var s counter.Series
	value := 5000.0
	for second := -15; second <= 300; second += 15 {
		value += 30
		if second == 75 {
			value = 12 // The process has restarted.
		}
		if second < 120 || second >= 225 {
			s.Samples = append(s.Samples, counter.Sample{At: start.Add(time.Duration(second) * time.Second), Value: value})
		}
	}
	windows, err := s.Windows(counter.Frame{Start: start, Width: time.Minute, Count: 5, MaxGap: 40 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, w := range windows {
		if !w.Complete {
			fmt.Println(w.End.Format("15:04"), "not known")
			continue
		}
		fmt.Println(w.End.Format("15:04"), w.Increase, "with", w.Resets, "resets")
	}
	// Output:
	// 12:01 120 with 0 resets
	// 12:02 not known
	// 12:03 not known
	// 12:04 not known
	// 12:05 120 with 0 resets
}

// Mean latency of two versions in the same minutes, one of which was bad for both.
func ExamplePairedLogRatio() {
	var candidate, baseline []counter.Observation
	for minute := range 24 {
		requests := float64(1000 + 40*(minute%7))
		latency := 0.050 + 0.0004*float64(minute*5%11)
		if minute == 9 {
			latency *= 6
		}
		slower := 1.04 + 0.002*float64(minute*7%5)
		candidate = append(candidate, counter.Observation{Amount: slower * latency * requests / 10, Exposure: requests / 10})
		baseline = append(baseline, counter.Observation{Amount: latency * requests, Exposure: requests})
	}
	p, err := counter.PairedLogRatio(candidate, baseline, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	i, err := p.LogRatio.Interval(0.95)
	fmt.Printf("%+.1f %%, from %+.1f %% to %+.1f %% (%v)\n",
		100*math.Expm1(p.LogRatio.Value), 100*math.Expm1(i.Low), 100*math.Expm1(i.High), err)
	// Output: +4.4 %, from +4.3 % to +4.5 % (<nil>)
}

// Errors come in bursts, so windows scatter more than independent errors would.
func ExampleQuasiPoisson() {
	var candidate, baseline []counter.Observation
	for w := range 20 {
		candidate = append(candidate, counter.Observation{Amount: float64(4 + 30*(w%3/2)), Exposure: 1000})
		baseline = append(baseline, counter.Observation{Amount: float64(40 + 90*(w%4/3)), Exposure: 9000})
	}
	d, err := counter.QuasiPoisson(candidate, baseline)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := d.LogRatio.P()
	fmt.Printf("dispersion %.0f: the error is %.3f, not %.3f; p = %.2f (%v)\n", d.Dispersion, d.LogRatio.SE, d.PoissonSE, p, err)
	// Output: dispersion 20: the error is 0.308, not 0.068; p = 0.05 (<nil>)
}

// Eleven errors in 800 requests against 21 in 3,011, exactly.
func ExampleRateRatioInterval() {
	candidate, baseline := counter.Events{Count: 11, Exposure: 800}, counter.Events{Count: 21, Exposure: 3011}
	i, err := counter.RateRatioInterval(candidate, baseline, 0.95)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := counter.RateRatioP(candidate, baseline)
	fmt.Printf("ratio %.2f to %.2f, p = %.3f (%v)\n", i.Low, i.High, p, err)
	// Output: ratio 0.86 to 4.28, p = 0.080 (<nil>)
}

// Mean latency from sum and count, with windows as clusters.
func ExampleRatioOfSums() {
	e, err := counter.RatioOfSums([]counter.Observation{
		{Amount: 61.2, Exposure: 1200},
		{Amount: 58.9, Exposure: 1180},
		{Amount: 70.4, Exposure: 1350},
		{Amount: 64.0, Exposure: 1240},
		{Amount: 80.1, Exposure: 1500},
		{Amount: 59.5, Exposure: 1190},
		{Amount: 66.6, Exposure: 1300},
		{Amount: 62.3, Exposure: 1210},
		{Amount: 63.0, Exposure: 1230},
		{Amount: 75.2, Exposure: 1420},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	i, err := e.Interval(0.95)
	fmt.Printf("%.2f ms, from %.2f to %.2f (%v)\n", 1000*e.Value, 1000*i.Low, 1000*i.High, err)
	// Output: 51.58 ms, from 50.74 to 52.41 (<nil>)
}
