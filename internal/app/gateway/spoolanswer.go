// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/httpapi"
)

// batches answers with the next batch: gateway and after name the last one that
// the caller has stored. An answer of 204 is that there is none yet. A batch of
// another gateway than the caller knows begins anew: the process was restarted.
func (s *spool) batches(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var after uint64
	if q.Get("gateway") == s.name {
		var err error
		if after, err = strconv.ParseUint(q.Get("after"), 10, 64); err != nil {
			httpapi.WriteError(w, experiment.Errorf(experiment.CodeInvalid, "after is %q: want the sequence of the last batch", q.Get("after")).
				WithHint("ask for /v1/batches without parameters first"))
			return
		}
	}
	b := s.next(after)
	if b == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Encoding")
	var skipped int
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		// Rows are much alike, and the gateway's time belongs to requests.
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // Fails for other levels only.
		skipped = writeBatch(z, b)
		_ = z.Close() // A client that has gone asks again.
	} else {
		skipped = writeBatch(w, b)
	}
	if skipped > 0 {
		s.dropped.Add(float64(skipped))
	}
}

// writeBatch writes a batch as encoding/json would, row by row, so that it takes
// no memory of its size. Rows that JSON cannot express are left out; it says how
// many. What cannot be written is not told: whoever reads sees that the end is
// missing.
func writeBatch(to io.Writer, b *experiment.Batch) (skipped int) {
	w := bufio.NewWriter(to)
	name, _ := json.Marshal(b.Gateway) // A string can always be written.
	_, _ = w.WriteString(`{"gateway":` + string(name) + `,"sequence":` + strconv.FormatUint(b.Sequence, 10))
	skipped += writeRows(w, "exposures", b.Exposures)
	skipped += writeRows(w, "pairs", b.Pairs)
	skipped += writeRows(w, "predictions", b.Predictions)
	skipped += writeRows(w, "seals", b.Seals)
	if b.Last {
		_, _ = w.WriteString(`,"last":true`)
	}
	_, _ = w.WriteString("}\n")
	_ = w.Flush()
	return skipped
}

// writeRows writes a member of the batch, unless it is empty.
func writeRows[T any](w *bufio.Writer, name string, rows []T) (skipped int) {
	if len(rows) == 0 {
		return 0
	}
	_, _ = w.WriteString(`,"` + name + `":[`)
	first := true
	for i := range rows {
		text, err := json.Marshal(&rows[i])
		if err != nil {
			skipped++ // A number in it is not finite.
			continue
		}
		if !first {
			_ = w.WriteByte(',')
		}
		first = false
		_, _ = w.Write(text)
	}
	_ = w.WriteByte(']')
	return skipped
}
