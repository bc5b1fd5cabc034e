// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// maxSlowBy bounds how long a prediction may be held back.
const maxSlowBy = time.Minute

// Faults make a server misbehave on purpose. Each valid prediction request
// meets at most one fault; health and metadata are never touched, as with a
// real model that is up and wrong. The zero value is no faults.
type Faults struct {
	SlowShare float64       // share of requests answered late, 0 to 1
	SlowBy    time.Duration // how much later, 0 to 1 minute
	FailShare float64       // share of requests answered with status 500; at most 1 with SlowShare
	Seed      uint64        // equal seeds meet the same sequence of faults
}

// check says what is wrong with f.
func (f Faults) check() error {
	for _, share := range []struct {
		name  string
		value float64
	}{{"SlowShare", f.SlowShare}, {"FailShare", f.FailShare}, {"SlowShare + FailShare", f.SlowShare + f.FailShare}} {
		if !(share.value >= 0 && share.value <= 1) { // Not the converse, which lets NaN pass.
			return fmt.Errorf("faults: %s is %v; a share is from 0 to 1", share.name, share.value)
		}
	}
	if f.SlowBy < 0 || f.SlowBy > maxSlowBy {
		return fmt.Errorf("faults: SlowBy is %v; it is from 0 to %v", f.SlowBy, maxSlowBy)
	}
	return nil
}

// dice draws the fault of each request.
type dice struct {
	faults Faults
	mu     sync.Mutex
	rng    *rand.Rand
}

func newDice(f Faults) *dice {
	return &dice{faults: f, rng: rand.New(rand.NewPCG(f.Seed, 0))}
}

// roll lets the next request through at once, late, or not at all.
func (d *dice) roll(ctx context.Context) *problem {
	d.mu.Lock()
	u := d.rng.Float64()
	d.mu.Unlock()
	switch {
	case u < d.faults.FailShare:
		return &problem{http.StatusInternalServerError, "the model failed on this request (a fault that the demo asked for)"}
	case u < d.faults.FailShare+d.faults.SlowShare:
		return wait(ctx, d.faults.SlowBy)
	default:
		return nil
	}
}

// wait returns after the given time, or with a problem when ctx ends before.
func wait(ctx context.Context, d time.Duration) *problem {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &problem{http.StatusServiceUnavailable, "the request ended before the model had answered"}
	}
}
