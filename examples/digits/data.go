// SPDX-License-Identifier: Apache-2.0

package digits

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

const (
	// Side is the width and the height of an image, in pixels.
	Side = 8
	// Pixels is the number of pixels of an image.
	Pixels = Side * Side
	// Classes is the number of labels: the digits 0 to 9.
	Classes = 10
	// MaxPixel is the largest value of a pixel; the smallest is 0. A pixel is
	// the number of inked dots in a block of 4×4 of the scanned form.
	MaxPixel = 16
)

const (
	trainShare = 0.6
	splitSeed  = 1998 // The year of the data set; any number would do.
)

// archive is the data set as data/README.md describes it.
//
//go:embed data/digits.csv.gz
var archive []byte

// Image holds the pixels of one digit, row by row from the top left corner,
// each from 0 (paper) to MaxPixel (ink).
type Image [Pixels]float64

// Row is one image and what its writer meant.
type Row struct {
	Pixels Image
	Label  int // 0 to 9
}

// Dataset is a list of labelled images.
type Dataset []Row

// Load reads the embedded data and splits it: of each digit 60 % of the rows
// are for training and the rest for testing, chosen with a fixed seed and left
// in the order of the file. No row is in both parts.
//
// An error says that the program was built with another file.
func Load() (train, test Dataset, err error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, nil, fmt.Errorf("open the digits: %w", err)
	}
	rows, err := parse(unzipped)
	if err != nil {
		return nil, nil, fmt.Errorf("read the digits: %w", err)
	}
	train, test = split(rows)
	return train, test, nil
}

// parse reads lines of 64 pixels and a label, separated by commas.
func parse(r io.Reader) (Dataset, error) {
	lines := csv.NewReader(r)
	lines.FieldsPerRecord = Pixels + 1
	lines.ReuseRecord = true
	var rows Dataset
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		var row Row
		for i, field := range fields[:Pixels] {
			v, err := number(field, MaxPixel)
			if err != nil {
				return nil, fmt.Errorf("row %d, pixel %d: %w", len(rows)+1, i+1, err)
			}
			row.Pixels[i] = float64(v)
		}
		if row.Label, err = number(fields[Pixels], Classes-1); err != nil {
			return nil, fmt.Errorf("row %d, label: %w", len(rows)+1, err)
		}
		rows = append(rows, row)
	}
}

// number reads a whole number from 0 to most.
func number(field string, most int) (int, error) {
	v, err := strconv.Atoi(field)
	if err != nil || v < 0 || v > most {
		return 0, fmt.Errorf("%q is not a whole number from 0 to %d", field, most)
	}
	return v, nil
}

// split draws the training rows of each label without replacement.
func split(rows Dataset) (train, test Dataset) {
	var byLabel [Classes][]int
	for i, row := range rows {
		byLabel[row.Label] = append(byLabel[row.Label], i)
	}
	rng := rand.New(rand.NewPCG(splitSeed, 0))
	chosen := make([]bool, len(rows))
	for _, members := range byLabel {
		rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		for _, i := range members[:int(trainShare*float64(len(members)))] {
			chosen[i] = true
		}
	}
	for i, row := range rows {
		if chosen[i] {
			train = append(train, row)
		} else {
			test = append(test, row)
		}
	}
	return train, test
}
