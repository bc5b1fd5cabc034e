// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/headgate-dev/headgate/internal/datadir"
	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
	store "github.com/headgate-dev/headgate/internal/ledger"
)

const (
	// maxPlan bounds a plan as JSON, in bytes, and maxPlans how many are known.
	maxPlan  = 1 << 20
	maxPlans = 2000
	// planPrefix and planSuffix surround "NAMESPACE_NAME" in the name of a plan's
	// file.
	planPrefix, planSuffix = "plan-", ".json"
)

// planName is the name of an object or a namespace.
var planName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

// plans are the experiments whose rows are taken: those of files, and those that
// a controller has told of, which outlive the process in the data directory.
type plans struct {
	dir    *datadir.Dir
	ledger *store.Ledger
	// deaf says that nothing can be heard; hear makes ready for what a plan wants
	// to hear.
	deaf bool
	hear func(*experiment.Plan) error

	mu  sync.Mutex
	ids []string
}

// open registers the plans of files and those that were kept. Files go first: a
// kept plan that contradicts one of them gives way to it.
func (p *plans) open(given []*experiment.Plan) error {
	for _, plan := range given {
		if err := p.register(plan); err != nil {
			return err
		}
	}
	kept, err := filepath.Glob(p.dir.Path(planPrefix + "*" + planSuffix))
	if err != nil {
		return experiment.Errorf(experiment.CodeInternal, "look for kept plans: %w", err)
	}
	for _, file := range kept {
		text, err := os.ReadFile(file)
		if err != nil {
			return experiment.Errorf(experiment.CodeUnavailable, "read a kept plan: %w", err)
		}
		plan, err := readPlan(text)
		if err != nil {
			return experiment.Errorf(experiment.CodeInvalid, "read the kept plan %s: %w", file, err).
				WithHint("remove the file; the controller tells of the plan again")
		}
		if slices.Contains(p.names(), plan.ID()) {
			continue
		}
		if p.deaf && plan.Hears() {
			continue // The controller, which tells of it again, is told why not.
		}
		if err := p.register(plan); err != nil {
			return err
		}
	}
	return nil
}

// register makes a plan known, and has heard what it wants to hear.
func (p *plans) register(plan *experiment.Plan) error {
	if p.deaf && plan.Hears() {
		return errDeaf(plan)
	}
	if err := p.ledger.Register(plan); err != nil {
		return err
	}
	if err := p.hear(plan); err != nil {
		return err
	}
	p.know(plan.ID())
	return nil
}

func (p *plans) know(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.ids, id) {
		p.ids = append(p.ids, id)
	}
}

// names are the experiments that are known.
func (p *plans) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ids)
}

// readPlan reads a plan as the controller writes it. Whoever may tell of one is
// trusted to have validated it; what this process lives by is looked at.
func readPlan(text []byte) (*experiment.Plan, error) {
	var p experiment.Plan
	if err := decode(bytes.NewReader(text), &p); err != nil {
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the plan: %w", err)
	}
	switch {
	case !planName.MatchString(p.Namespace) || !planName.MatchString(p.Name):
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the plan: namespace is %q and name %q", p.Namespace, p.Name)
	case len(p.Versions) == 0 || len(p.Versions) > experiment.MaxVersions:
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the plan: it has %d versions: want 1 to %d", len(p.Versions), experiment.MaxVersions)
	case p.Window <= 0 || p.Lag < 0 || p.Stale < 0:
		return nil, experiment.Errorf(experiment.CodeInvalid, "read the plan: window is %s, lag %s, stale %s", p.Window, p.Lag, p.Stale)
	}
	return &p, nil
}

// decode reads one value of JSON, and nothing else.
func decode(from io.Reader, into any) error {
	d := json.NewDecoder(from)
	d.DisallowUnknownFields() // A field of a later version could be the one that matters.
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind it")
	}
	return nil
}

// put takes a plan: PUT /v1/plans/NAMESPACE/NAME. It is answered once the plan is
// kept; telling the same again is fine, and one that joins otherwise than before
// is a conflict.
func (p *plans) put(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPlan))
	if err != nil {
		httpapi.WriteError(w, experiment.Errorf(experiment.CodeInvalid, "read the plan: %w", err))
		return
	}
	plan, err := readPlan(text)
	if err == nil && (plan.Namespace != r.PathValue("namespace") || plan.Name != r.PathValue("name")) {
		err = experiment.Errorf(experiment.CodeInvalid, "the plan is that of %s", plan.ID())
	}
	if err == nil {
		err = p.take(plan, text)
	}
	if err != nil {
		httpapi.WriteError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// take registers a plan and keeps it.
func (p *plans) take(plan *experiment.Plan, text []byte) error {
	known := p.names()
	if len(known) >= maxPlans && !slices.Contains(known, plan.ID()) {
		return experiment.Errorf(experiment.CodeUnavailable, "%d experiments are known, which is all that this ledger takes", len(known))
	}
	if err := p.register(plan); err != nil {
		return err
	}
	file := planPrefix + strings.ReplaceAll(plan.ID(), "/", "_") + planSuffix
	if old, err := os.ReadFile(p.dir.Path(file)); err != nil || !bytes.Equal(old, text) {
		if err := p.dir.Write(file, text); err != nil {
			return experiment.Errorf(experiment.CodeUnavailable, "keep the plan: %w", err)
		}
	}
	return nil
}
