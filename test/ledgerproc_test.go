// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// startLedger starts the ledger and waits until it answers. One that the system
// has not yet freed the locks for ends at once, and is started again, as
// whatever supervises it would.
func (k *kept) startLedger() {
	k.t.Helper()
	args := []string{"ledger", "-f", "experiment.yaml", "--data", "ledger", "--api", k.api}
	for _, g := range k.gateways {
		args = append(args, "--gateway", g.proxy.URL)
	}
	if k.database != "" {
		args = append(args, "--database", k.database)
	}
	deadline := time.Now().Add(time.Minute)
	for k.ledger = k.run(k.headgate, args...); ; time.Sleep(20 * time.Millisecond) {
		if res, err := k.client.Get("http://" + k.api + "/healthz"); err == nil {
			_ = res.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("the ledger does not answer:\n%s", k.ledger)
		}
		select {
		case <-k.ledger.ended:
			k.t.Logf("the ledger ended: %s", k.ledger)
			k.ledger = k.run(k.headgate, args...)
		default:
		}
	}
}

// killLedger kills it and starts it anew.
func (k *kept) killLedger() {
	k.t.Helper()
	k.kills++
	k.ledger.kill()
	k.startLedger()
	for i := range k.gateways {
		k.healthy(i)
	}
}

// stopLedger ends it as a person would, and wants it to end well.
func (k *kept) stopLedger() {
	k.t.Helper()
	if err := k.ledger.cmd.Process.Signal(os.Interrupt); err != nil {
		k.t.Fatal(err)
	}
	select {
	case <-k.ledger.ended:
	case <-time.After(time.Minute):
		k.t.Fatalf("the ledger does not end:\n%s", k.ledger)
	}
	if err := k.ledger.cmd.Wait(); err != nil {
		k.t.Errorf("headgate ledger: %v\n%s", err, k.ledger)
	}
}

// pullState is what the ledger says of a gateway.
type pullState struct {
	Gateway  string
	Sequence uint64
	Skipped  int64
	Failing  string
}

// state waits until what the ledger says of a gateway is as wanted.
func (k *kept) state(number int, want func(pullState) bool) pullState {
	k.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var all []pullState
		err := k.get("/v1/gateways", &all)
		if err == nil && want(all[number]) {
			return all[number]
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("the gateways are %+v, %v\n%s", all, err, k.ledger)
		}
	}
}

// healthy waits until a gateway's rows come.
func (k *kept) healthy(number int) pullState {
	k.t.Helper()
	return k.state(number, func(s pullState) bool { return s.Failing == "" && s.Gateway != "" })
}

func (k *kept) get(path string, into any) error {
	res, err := k.client.Get("http://" + k.api + path)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// receipt says how outcomes were counted.
type receipt struct{ Accepted, Duplicates, Late, Unmatched int }

// tell posts outcomes under their keys; an error means that they were not
// acknowledged.
func (k *kept) tell(all []told, keys []string) (r receipt, err error) {
	type outcome struct {
		Token string    `json:"token"`
		Event string    `json:"event"`
		Key   string    `json:"key"`
		Value float64   `json:"value"`
		Time  time.Time `json:"time"`
	}
	var body struct {
		Outcomes []outcome `json:"outcomes"`
	}
	for i, o := range all {
		body.Outcomes = append(body.Outcomes, outcome{o.token, "purchase", keys[i], o.value, o.exposure.At.Add(time.Millisecond)})
	}
	text, err := json.Marshal(body)
	if err != nil {
		return r, err
	}
	res, err := k.client.Post("http://"+k.api+"/v1/outcomes", "application/json", bytes.NewReader(text))
	if err != nil {
		return r, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusAccepted {
		return r, fmt.Errorf("answered %s", res.Status)
	}
	return r, json.NewDecoder(res.Body).Decode(&r)
}

// settle waits until the gateways have handed everything over, and wants their
// counters to say what the ledger has.
func (k *kept) settle() {
	k.t.Helper()
	time.Sleep(k.plan.Lag + time.Second) // Copies of the last requests may be under way.
	for _, g := range k.gateways {
		deadline := time.Now().Add(time.Minute)
		for m := g.metrics(); m.sum("headgate_gateway_spool_rows") > 0; m = g.metrics() {
			if time.Now().After(deadline) {
				k.t.Fatalf("gateway %d keeps %v rows\n%s", g.number+1, m.sum("headgate_gateway_spool_rows"), k.ledger)
			}
			time.Sleep(20 * time.Millisecond)
		}
		now := k.healthy(g.number)
		var rows float64
		g.mu.Lock()
		for _, b := range g.given[now.Gateway] {
			rows += float64(rowsOf(b))
		}
		g.mu.Unlock()
		m := g.metrics()
		if taken := m.sum("headgate_gateway_spool_taken_total"); taken != rows || rows == 0 || m.sum("headgate_gateway_spool_dropped_total") != 0 || now.Skipped != 0 {
			k.t.Errorf("gateway %d says that %v rows were taken over; it gave %v; the ledger says %+v", g.number+1, taken, rows, now)
		}
	}
}

// cells are sealed.
type cells []experiment.Cell

// sealed waits until all windows in which something happened are sealed.
func (k *kept) sealed(source experiment.Source, at counts) cells {
	k.t.Helper()
	var last int64
	for p := range at {
		last = max(last, p.window)
	}
	q := url.Values{"source": {string(source)}, "epoch": {"1"}, "phase": {"1"}, "start": {k.start.Format(time.RFC3339Nano)}, "from": {strconv.Itoa(0)}}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var s experiment.Seal
		err := k.get("/v1/seals?"+q.Encode(), &s)
		if err == nil && s.To > last {
			return s.Cells
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("windows up to %d of %s are sealed, want %d: %v\n%s", s.To, source, last+1, err, k.ledger)
		}
	}
}

// of counts something in the cells of a metric.
func (c cells) of(metric string, count func(experiment.Evidence) int64) counts {
	all := counts{}
	for i := range c {
		if n := count(c[i].Evidence); c[i].Metric == metric && c[i].Slice == "" && n != 0 {
			all[place{c[i].Window, c[i].Version}] += n
		}
	}
	return all
}
