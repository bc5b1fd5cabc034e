// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// maxExposition bounds what one target tells at once, in bytes.
const maxExposition = 16 << 20

// scraped is one series as a target tells it.
type scraped struct {
	labels labels.Labels
	value  float64
}

// target is one address that is scraped.
type target struct {
	url      string
	instance string
	// had are the series that it told last.
	had map[string]labels.Labels
	// why it could not be read; empty where it could.
	why string
}

// scrapeAll reads all targets once, as of one moment.
func (s *Server) scrapeAll(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, min(s.every, 10*time.Second))
	defer cancel()
	var wg sync.WaitGroup
	for _, t := range s.targets {
		wg.Go(func() { s.scrape(ctx, t, now.UnixMilli()) })
	}
	wg.Wait()
	s.store.forget(now)
}

// scrape reads one target.
func (s *Server) scrape(ctx context.Context, t *target, at int64) {
	found, err := s.read(ctx, t)
	up := 1.0
	if err != nil {
		found, up = nil, 0
	}
	now := make(map[string]labels.Labels, len(found))
	for _, f := range found {
		now[string(f.labels.Bytes(nil))] = f.labels
	}
	if !s.store.add(at, found) && err == nil {
		err = errors.New("more series or samples than are kept: scrape less, or run a Prometheus")
	}
	s.store.end(at, t.had, now)
	s.store.add(at, []scraped{{labels.FromStrings(model.MetricNameLabel, "up", "instance", t.instance, "job", job), up}})
	t.had = now
	s.mu.Lock()
	defer s.mu.Unlock()
	t.why = ""
	if err != nil {
		t.why = err.Error()
	}
}

// read asks a target and parses what it tells. Times that it gives are not kept:
// a sample is as of its scrape.
func (s *Server) read(ctx context.Context, t *target) ([]scraped, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return nil, errors.New("not an address")
	}
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
	resp, err := s.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxExposition+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxExposition:
		return nil, fmt.Errorf("it tells more than %d MiB at once", maxExposition>>20)
	}
	return parse(body, resp.Header.Get("Content-Type"), t.instance)
}

// parse reads an exposition. Native histograms are left out: their classic
// buckets are there too, in text.
func parse(body []byte, contentType, instance string) ([]scraped, error) {
	p, err := textparse.New(body, contentType, labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain", OpenMetricsSkipSTSeries: true})
	if p == nil {
		return nil, err
	}
	var found []scraped
	var b labels.Builder
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("what it tells is no exposition: %w", err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, v := p.Series()
		var l labels.Labels
		p.Labels(&l)
		b.Reset(l)
		b.Set("instance", instance).Set("job", job)
		found = append(found, scraped{b.Labels(), v})
	}
}
