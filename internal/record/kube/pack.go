// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/headgate-dev/headgate/internal/experiment"
)

// lines is a run of entries as text, for a block.
func lines(entries []experiment.Entry) ([][]byte, error) {
	out := make([][]byte, len(entries))
	for i := range entries {
		text, err := json.Marshal(&entries[i])
		if err != nil {
			return nil, err
		}
		out[i] = append(text, '\n')
	}
	return out, nil
}

// append adds entries behind the journal. The last block is made anew while it
// has room.
func (c *content) append(entries []experiment.Entry) error {
	more, err := lines(entries)
	if err != nil {
		return err
	}
	if n := len(c.blocks); n > 0 && len(more) > 0 && c.head.Blocks[n-1].Entries < blockEntries && c.head.Blocks[n-1].Bytes < fullBlock {
		old, err := c.text(n - 1)
		if err != nil {
			return err
		}
		more = append(old, more...)
		c.cut(n-1, n)
	}
	for len(more) > 0 {
		n, size := 0, 0
		for n < len(more) && n < blockEntries && (n == 0 || size+len(more[n]) <= 8*fullBlock) {
			size += len(more[n])
			n++
		}
		if err := c.put(len(c.blocks), more[:n]); err != nil {
			return err
		}
		more = more[n:]
	}
	return nil
}

// text is a block's entries, a line each.
func (c *content) text(i int) ([][]byte, error) {
	plain, _, err := member(c.blocks[i])
	if err != nil {
		return nil, err
	}
	return slices.Collect(bytes.Lines(plain)), nil
}

func (c *content) put(at int, text [][]byte) error {
	data, err := compress(slices.Concat(text...))
	if err != nil {
		return err
	}
	c.blocks = slices.Insert(c.blocks, at, data)
	c.head.Blocks = slices.Insert(c.head.Blocks, at, block{Entries: len(text), Bytes: len(data)})
	return nil
}

func (c *content) cut(from, to int) {
	c.blocks = slices.Delete(c.blocks, from, to)
	c.head.Blocks = slices.Delete(c.head.Blocks, from, to)
}

// kept counts the entries that are here.
func (c *content) kept() int {
	n := 0
	for _, b := range c.head.Blocks {
		n += b.Entries
	}
	return n
}

// drop forgets the oldest n entries.
func (c *content) drop(n int) error {
	for n > 0 && len(c.blocks) > 0 {
		first := c.head.Blocks[0].Entries
		gone := min(n, first)
		var rest [][]byte
		if gone < first {
			text, err := c.text(0)
			if err != nil {
				return err
			}
			rest = text[min(gone, len(text)):]
		}
		c.cut(0, 1)
		if len(rest) > 0 {
			if err := c.put(0, rest); err != nil {
				return err
			}
		}
		c.head.Dropped += int64(gone)
		n -= gone
	}
	return nil
}

// pack makes the data, dropping the oldest entries that do not fit. The newest
// `keep` entries must fit.
func (c *content) pack(keep int) ([]byte, error) {
	if err := c.drop(c.kept() - keptEntries); err != nil {
		return nil, err
	}
	for {
		text, err := json.Marshal(&c.head)
		if err != nil {
			return nil, err
		}
		data, err := compress(append(text, '\n'))
		if err != nil {
			return nil, err
		}
		size := len(data)
		for _, b := range c.blocks {
			size += len(b)
		}
		if size <= maxData {
			return slices.Concat(append([][]byte{data}, c.blocks...)...), nil
		}
		spare := c.kept() - min(keep, keptEntries)
		if spare <= 0 {
			return nil, experiment.Errorf(experiment.CodeInvalid, "%d bytes, compressed and with %d journal entries: an object holds at most %d", size, c.kept(), maxData).
				WithHint("keep the records of this experiment in PostgreSQL, or give it fewer metrics and slices")
		}
		// As many as are too much, were they all like those of the first block.
		first := c.head.Blocks[0]
		each := max(first.Bytes/first.Entries, 1)
		if err := c.drop(min(spare, first.Entries, (size-maxData)/each+1)); err != nil {
			return nil, err
		}
	}
}
