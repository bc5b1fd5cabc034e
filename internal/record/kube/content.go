// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	kubeapi "github.com/headgate-dev/headgate/api/kube"
	"github.com/headgate-dev/headgate/internal/experiment"
)

const (
	contentVersion = 1
	// keptEntries is how many entries of the journal are kept at most.
	keptEntries = 200
	// maxData bounds the compressed bytes.
	maxData = kubeapi.MaxRecordData
	// maxPlain bounds what the head or a block decompresses to: gzip can make
	// half a gigabyte of what an object holds.
	maxPlain = 16 << 20
	// blockEntries is how many entries a block has at most. Entries resemble
	// their neighbours, so that blocks of some compress better than blocks of
	// one; and the smaller a block, the less is compressed again.
	blockEntries = 16
	// fullBlock is from how many compressed bytes a block takes no more: gzip
	// looks back 32 KiB and would find nothing more to save.
	fullBlock = 32 << 10
)

// head is the first line of the data.
type head struct {
	Version int               `json:"version"`
	Record  experiment.Record `json:"record"`
	// Plan is the one that the record belongs to: that of the newest entry which
	// holds one, whether that entry is still here or not.
	Plan *experiment.Plan `json:"plan,omitempty"`
	// Dropped counts the oldest entries, which are no longer here.
	Dropped int64   `json:"dropped,omitempty"`
	Blocks  []block `json:"blocks,omitempty"`
}

// block is a gzip member with some entries of the journal.
type block struct {
	Entries int `json:"entries"`
	Bytes   int `json:"bytes"`
}

// content is the data, read as far as the head.
type content struct {
	head head
	// blocks are the members of the journal, still compressed.
	blocks [][]byte
}

// read reads the head and finds the blocks. It never reads more than maxPlain
// bytes, whatever the data say.
func read(data []byte) (*content, error) {
	if len(data) > maxData {
		return nil, fmt.Errorf("%d bytes, at most %d are read", len(data), maxData)
	}
	plain, rest, err := member(data)
	if err != nil {
		return nil, err
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(plain, &version); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	if version.Version != contentVersion {
		return nil, fmt.Errorf("version %d of the format is not known here", version.Version)
	}
	c := &content{}
	if err := json.Unmarshal(plain, &c.head); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	kept := int64(0)
	for i, b := range c.head.Blocks {
		if b.Entries <= 0 || b.Entries > keptEntries || b.Bytes <= 0 || b.Bytes > len(rest) {
			return nil, fmt.Errorf("block %d: %d entries in %d bytes, %d bytes are left", i, b.Entries, b.Bytes, len(rest))
		}
		c.blocks = append(c.blocks, rest[:b.Bytes:b.Bytes])
		rest = rest[b.Bytes:]
		kept += int64(b.Entries)
	}
	rec := &c.head.Record
	switch {
	case len(rest) > 0:
		return nil, fmt.Errorf("%d bytes follow the last block", len(rest))
	case rec.Revision < 1 || c.head.Dropped < 0 || rec.Entries != c.head.Dropped+kept:
		return nil, fmt.Errorf("revision %d with %d entries, of which %d were dropped and %d are here", rec.Revision, rec.Entries, c.head.Dropped, kept)
	}
	return c, nil
}

// entries reads a block whose first entry must have a number.
func (c *content) entries(i int, first int64) ([]experiment.Entry, error) {
	plain, rest, err := member(c.blocks[i])
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", i, err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("block %d: %d bytes follow its entries", i, len(rest))
	}
	var out []experiment.Entry
	dec := json.NewDecoder(bytes.NewReader(plain))
	for range c.head.Blocks[i].Entries {
		var e experiment.Entry
		if err := dec.Decode(&e); err != nil {
			return nil, fmt.Errorf("block %d: entry %d: %w", i, first+int64(len(out)), err)
		}
		if e.Seq != first+int64(len(out)) {
			return nil, fmt.Errorf("block %d: entry %d where %d comes next", i, e.Seq, first+int64(len(out)))
		}
		out = append(out, e)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("block %d: something follows its %d entries", i, len(out))
	}
	return out, nil
}

// member decompresses the first gzip member and gives the bytes behind it.
func member(data []byte) (plain, rest []byte, err error) {
	in := bytes.NewReader(data) // A ByteReader: nothing is read ahead.
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, nil, err
	}
	z.Multistream(false)
	plain, err = io.ReadAll(io.LimitReader(z, maxPlain+1))
	if err != nil {
		return nil, nil, err
	}
	if len(plain) > maxPlain {
		return nil, nil, fmt.Errorf("it decompresses to more than %d bytes", maxPlain)
	}
	return plain, data[len(data)-in.Len():], nil
}

// compress makes a gzip member.
func compress(plain []byte) ([]byte, error) {
	if len(plain) > maxPlain {
		return nil, fmt.Errorf("%d bytes before compression: at most %d", len(plain), maxPlain)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
