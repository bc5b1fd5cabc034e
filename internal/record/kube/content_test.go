// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headgate-dev/headgate/internal/experiment"
	"github.com/headgate-dev/headgate/internal/record/recordtest"
)

// saved makes content by saving once for each number, with so many entries.
func saved(t testing.TB, entries ...int) (*content, []byte) {
	t.Helper()
	c := &content{head: head{Version: contentVersion}}
	var data []byte
	for _, n := range entries {
		var lines []experiment.Entry
		for range n {
			lines = append(lines, recordtest.Line(c.head.Record.Entries+int64(len(lines))))
		}
		data = save(t, c, recordtest.Sample(n), lines)
		var err error
		if c, err = read(data); err != nil {
			t.Fatal(err)
		}
	}
	return c, data
}

func save(t testing.TB, c *content, rec experiment.Record, lines []experiment.Entry) []byte {
	t.Helper()
	rec.Revision, rec.Entries = c.head.Record.Revision+1, c.head.Record.Entries+int64(len(lines))
	c.head.Record = rec
	if err := c.append(lines); err != nil {
		t.Fatal(err)
	}
	data, err := c.pack(len(lines))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// journal reads all entries.
func journal(t testing.TB, c *content) []experiment.Entry {
	t.Helper()
	first := c.head.Dropped
	var out []experiment.Entry
	for i := range c.blocks {
		entries, err := c.entries(i, first)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entries...)
		first += int64(len(entries))
	}
	return out
}

func TestSavesKeepTheNewestEntries(t *testing.T) {
	for name, tc := range map[string]struct {
		saves   []int
		dropped int64
		blocks  int
	}{
		"no entry":                      {[]int{0, 0}, 0, 0},
		"one at a time share a block":   {[]int{1, 1, 1}, 0, 1},
		"a block of 16, then another":   {[]int{16, 1}, 0, 2},
		"a save of many":                {[]int{100}, 0, 7},
		"200 are kept":                  {[]int{200}, 0, 13},
		"of 201 the oldest is dropped":  {[]int{200, 1}, 1, 13},
		"of 500 at once 200 are kept":   {[]int{500}, 300, 14},
		"a block that goes as a whole":  {[]int{200, 16}, 16, 13},
		"saves without entries between": {[]int{150, 0, 60, 0}, 10, 14},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := saved(t, tc.saves...)
			total := int64(0)
			for _, n := range tc.saves {
				total += int64(n)
			}
			var want []experiment.Entry
			for seq := tc.dropped; seq < total; seq++ {
				want = append(want, recordtest.Line(seq))
			}
			if diff := cmp.Diff(want, journal(t, c)); diff != "" {
				t.Errorf("journal (-want +got):\n%s", diff)
			}
			if c.head.Dropped != tc.dropped || c.head.Record.Entries != total || len(c.blocks) != tc.blocks {
				t.Errorf("%d dropped of %d in %d blocks, want %d of %d in %d", c.head.Dropped, c.head.Record.Entries, len(c.blocks), tc.dropped, total, tc.blocks)
			}
		})
	}
}

// TestDataAreLinesOfJSON reads the data as a person with gunzip would.
func TestDataAreLinesOfJSON(t *testing.T) {
	_, data := saved(t, 3, 20)
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if len(lines) != 24 {
		t.Fatalf("%d lines, want the head and 23 entries", len(lines))
	}
	for i, line := range lines {
		var e struct {
			Seq    *int64             `json:"seq"`
			Record *experiment.Record `json:"record"`
		}
		if err := json.Unmarshal(line, &e); err != nil || (i == 0) != (e.Record != nil) || i > 0 && (e.Seq == nil || *e.Seq != int64(i-1)) {
			t.Errorf("line %d: %v, %s", i, err, line)
		}
	}
}

func TestUntouchedBlocksAreNotCompressedAgain(t *testing.T) {
	c, _ := saved(t, 16, 16, 3)
	before := [][]byte{bytes.Clone(c.blocks[0]), bytes.Clone(c.blocks[1])}
	data := save(t, c, recordtest.Sample(9), []experiment.Entry{recordtest.Line(35)})
	after, err := read(data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range before {
		if !bytes.Equal(before[i], after.blocks[i]) {
			t.Errorf("block %d changed", i)
		}
	}
}

// noisy is an entry that does not compress.
func noisy(seq int64, bytes int) experiment.Entry {
	r := rand.New(rand.NewPCG(7, uint64(seq)))
	var b strings.Builder
	for b.Len() < bytes {
		fmt.Fprintf(&b, "%016x", r.Uint64())
	}
	e := recordtest.Line(seq)
	e.Hash = b.String()
	return e
}

func TestSizeIsBounded(t *testing.T) {
	c := &content{head: head{Version: contentVersion}}
	for seq := range int64(60) {
		data := save(t, c, recordtest.Sample(0), []experiment.Entry{noisy(seq, 40_000)})
		if len(data) > maxData {
			t.Fatalf("%d bytes after entry %d", len(data), seq)
		}
		var err error
		if c, err = read(data); err != nil {
			t.Fatal(err)
		}
		if seq%10 > 0 {
			continue
		}
		entries := journal(t, c)
		if newest := entries[len(entries)-1]; newest.Seq != seq || newest.Hash != noisy(seq, 40_000).Hash {
			t.Fatalf("the newest entry is %d, want %d, whole", newest.Seq, seq)
		}
		// Some 23 kB each: little room is given away.
		if seq > 30 && len(data) < maxData*8/10 {
			t.Errorf("only %d bytes with %d entries", len(data), len(entries))
		}
	}
	kept := journal(t, c)
	for name, lines := range map[string][]experiment.Entry{
		"one that is too large":          {noisy(60, 2_000_000)},
		"several that are, with another": {noisy(60, 400_000), noisy(61, 400_000), noisy(62, 400_000)},
	} {
		twin, err := read(mustPack(t, c))
		if err != nil {
			t.Fatal(err)
		}
		if err := twin.append(lines); err != nil {
			t.Fatal(err)
		}
		_, err = twin.pack(len(lines))
		if experiment.CodeOf(err) != experiment.CodeInvalid || !strings.Contains(experiment.HintOf(err), "PostgreSQL") {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	if diff := cmp.Diff(len(kept), len(journal(t, c))); diff != "" {
		t.Errorf("a refusal changed the journal: %s", diff)
	}
}

func mustPack(t testing.TB, c *content) []byte {
	t.Helper()
	data, err := c.pack(0)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// zip compresses anything.
func zip(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	_, good := saved(t, 3)
	long := strings.Repeat(" ", maxPlain)
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":               {nil, "EOF"},
		"no gzip":               {[]byte("hello, world"), "gzip"},
		"cut short":             {good[:len(good)-5], "bytes are left"},
		"cut shorter":           {good[:40], "EOF"},
		"more behind it":        {append(bytes.Clone(good), 1), "follow"},
		"more than an object":   {make([]byte, maxData+1), "at most"},
		"a bomb":                {zip(t, `{"version":1}`+long), "decompresses"},
		"no JSON":               {zip(t, "x"), "head"},
		"no version":            {zip(t, "{}"), "version 0"},
		"a later version":       {zip(t, `{"version":2,"record":"anything"}`), "version 2"},
		"revision 0":            {zip(t, `{"version":1,"record":{}}`), "revision 0"},
		"entries that are lost": {zip(t, `{"version":1,"record":{"revision":1,"entries":5},"dropped":3}`), "5 entries"},
		"fewer than dropped":    {zip(t, `{"version":1,"record":{"revision":1,"entries":-1},"dropped":-1}`), "dropped"},
		"a block of no bytes":   {zip(t, `{"version":1,"record":{"revision":1,"entries":1},"blocks":[{"entries":1,"bytes":0}]}`), "block 0"},
		"a block of many":       {append(zip(t, `{"version":1,"record":{"revision":1,"entries":999999},"blocks":[{"entries":999999,"bytes":1}]}`), 1), "block 0"},
		"a block that overruns": {append(zip(t, `{"version":1,"record":{"revision":1,"entries":1},"blocks":[{"entries":1,"bytes":9}]}`), 1), "bytes are left"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := read(tc.data); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestBlocksThatCannotBeReadAreRefused(t *testing.T) {
	text := func(seqs ...int64) string {
		var b strings.Builder
		for _, s := range seqs {
			line, err := json.Marshal(recordtest.Line(s))
			if err != nil {
				t.Fatal(err)
			}
			b.Write(line)
			b.WriteByte('\n')
		}
		return b.String()
	}
	for name, tc := range map[string]struct {
		block []byte
		want  string
	}{
		"a bomb":          {zip(t, text(5, 6)+strings.Repeat("\n", maxPlain)), "decompresses"},
		"no gzip":         {[]byte("hello"), "EOF"},
		"too few":         {zip(t, text(5)), "EOF"},
		"too many":        {zip(t, text(5, 6, 7)), "follows"},
		"a gap":           {zip(t, text(5, 7)), "entry 7 where 6 comes next"},
		"another's":       {zip(t, text(4, 5)), "entry 4 where 5 comes next"},
		"two members":     {append(zip(t, text(5)), zip(t, text(6))...), "follow"},
		"no JSON":         {zip(t, "x"), "entry 5"},
		"good, for once.": {zip(t, text(5, 6)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := &content{head: head{Blocks: []block{{Entries: 2, Bytes: len(tc.block)}}}, blocks: [][]byte{tc.block}}
			entries, err := c.entries(0, 5)
			if tc.want == "" {
				if err != nil || len(entries) != 2 {
					t.Errorf("%d entries, %v", len(entries), err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want %q", err, tc.want)
			}
		})
	}
}

// FuzzRead never panics, and what it takes can be saved on. Data are made of
// texts here: of data that are changed at random the checksums of gzip let hardly
// any past. Seeds are short, because the fuzzer tries every part of what it finds
// interesting, as many as the square of its length.
func FuzzRead(f *testing.F) {
	const block = `,"blocks":[{"entries":1,"bytes":`
	f.Add([]byte(`{"version":1,"record":{"revision":1}}`), []byte(nil), false)
	f.Add([]byte(`{"version":1,"record":{"revision":1,"entries":200},"dropped":200}`), []byte(nil), false)
	line := []byte(`{"seq":0}`)
	zipped := zip(f, string(line))
	f.Add(fmt.Appendf(nil, `{"version":1,"record":{"revision":1,"entries":1}%s%d}]}`, block, len(zipped)), line, false)
	f.Add(zip(f, `{"version":1,"record":{"revision":1}}`), []byte(nil), true)
	f.Fuzz(func(t *testing.T, head, entries []byte, raw bool) {
		data := slices.Concat(head, entries)
		if !raw {
			data = zip(t, string(head))
			if len(entries) > 0 {
				data = append(data, zip(t, string(entries))...)
			}
		}
		c, err := read(data)
		if err != nil {
			return
		}
		first := c.head.Dropped
		for i := range c.blocks {
			entries, err := c.entries(i, first)
			if err != nil {
				return
			}
			first += int64(len(entries))
		}
		if first != c.head.Record.Entries {
			t.Fatalf("%d entries are here or dropped, %d were written", first, c.head.Record.Entries)
		}
		c.head.Record.Revision = 1
		if err := c.append([]experiment.Entry{recordtest.Line(first)}); err != nil {
			t.Fatal(err)
		}
		c.head.Record.Entries++
		again, err := c.pack(1)
		if err != nil {
			if experiment.CodeOf(err) != experiment.CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		if _, err := read(again); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkSave saves a record of some 60 kB with 200 entries of some 20 kB: a
// minute's save with no new entry, and one with an entry.
func BenchmarkSave(b *testing.B) {
	c := &content{head: head{Version: contentVersion}}
	var data []byte
	for seq := range int64(200) {
		data = save(b, c, rich(60), []experiment.Entry{richLine(seq)})
	}
	for _, entries := range []int{0, 1} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			for b.Loop() {
				c, err := read(data)
				if err != nil {
					b.Fatal(err)
				}
				var lines []experiment.Entry
				if entries > 0 {
					lines = append(lines, richLine(c.head.Record.Entries))
				}
				save(b, c, c.head.Record, lines)
			}
			b.ReportMetric(float64(len(data)), "bytes")
		})
	}
}

// rich is a record with many cells.
func rich(cells int) experiment.Record {
	rec := recordtest.Sample(0)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range cells {
		cell := rec.Totals.Phases[0].Cells[0]
		cell.Metric = fmt.Sprintf("metric-%d", i)
		cell.Evidence.Units.N, cell.Evidence.Units.MeanY, cell.Evidence.Units.M2Y = 1000, r.Float64(), r.ExpFloat64()
		rec.Totals.Phases[0].Cells = append(rec.Totals.Phases[0].Cells, cell)
	}
	return rec
}

func richLine(seq int64) experiment.Entry {
	e := recordtest.Line(seq)
	e.Totals = rich(20).Totals
	return e
}
