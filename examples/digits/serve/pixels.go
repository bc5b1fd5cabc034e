// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/examples/digits"
)

// pixel is one number of a request. A plain float64 would take null for 0.
type pixel float64

// UnmarshalJSON accepts a number. It turns null into NaN, which toImage refuses
// with the place where it was found.
func (p *pixel) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*p = pixel(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // Infinity is refused later, with its place.
		return fmt.Errorf("%.40s is not a number", text)
	}
	*p = pixel(v)
	return nil
}

// toImages takes a list of images of 64 pixels each. Where is what the
// protocol calls the list.
func toImages(where string, rows [][]pixel) ([]digits.Image, *problem) {
	if len(rows) == 0 {
		return nil, badRequest("%s holds no image; send a list of lists of %d numbers", where, digits.Pixels)
	}
	images := make([]digits.Image, len(rows))
	for i, row := range rows {
		if fail := toImage(&images[i], fmt.Sprintf("%s[%d]", where, i), row); fail != nil {
			return nil, fail
		}
	}
	return images, nil
}

// toImage takes the pixels of one image.
func toImage(image *digits.Image, where string, row []pixel) *problem {
	if len(row) != digits.Pixels {
		return badRequest("%s has %d numbers; an image has %d", where, len(row), digits.Pixels)
	}
	for j, v := range row {
		if math.IsNaN(float64(v)) {
			return badRequest("%s: pixel %d is null; a pixel is a number from 0 to %d", where, j, digits.MaxPixel)
		}
		if v < 0 || v > digits.MaxPixel {
			return badRequest("%s: pixel %d is %v; a pixel is from 0 to %d", where, j, v, digits.MaxPixel)
		}
		image[j] = float64(v)
	}
	return nil
}

// toTensor takes a tensor of the shape [n, 64] whose numbers stand in one list,
// row by row. Where is what the protocol calls the tensor.
func toTensor(where string, shape []int64, values []pixel) ([]digits.Image, *problem) {
	if len(shape) != 2 || shape[0] < 1 || shape[1] != digits.Pixels {
		return nil, badRequest("%s has the shape %.100s; it must be [n,%d] with n at least 1", where, shapeText(shape), digits.Pixels)
	}
	// The division, unlike the product, cannot overflow.
	if len(values)%digits.Pixels != 0 || int64(len(values)/digits.Pixels) != shape[0] {
		return nil, badRequest("%s has the shape %s, but %d numbers", where, shapeText(shape), len(values))
	}
	images := make([]digits.Image, shape[0])
	for i := range images {
		row := values[i*digits.Pixels : (i+1)*digits.Pixels]
		if fail := toImage(&images[i], fmt.Sprintf("%s, image %d", where, i), row); fail != nil {
			return nil, fail
		}
	}
	return images, nil
}

// shapeText writes a shape as JSON does.
func shapeText(shape []int64) string {
	return strings.ReplaceAll(fmt.Sprint(shape), " ", ",")
}

// decodeValues reads the data of a tensor: one list, or a list of rows.
func decodeValues(where string, data json.RawMessage) ([]pixel, *problem) {
	if len(data) == 0 {
		return nil, badRequest("%s is missing", where)
	}
	if !isNested(data) {
		var flat []pixel
		if err := json.Unmarshal(data, &flat); err != nil {
			return nil, notExpected(where, err)
		}
		return flat, nil
	}
	var rows [][]pixel
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, notExpected(where, err)
	}
	var flat []pixel
	for i, row := range rows {
		if len(row) != digits.Pixels {
			return nil, badRequest("%s[%d] has %d numbers; an image has %d", where, i, len(row), digits.Pixels)
		}
		flat = append(flat, row...)
	}
	return flat, nil
}

// isNested says whether a JSON list begins with a list.
func isNested(data json.RawMessage) bool {
	rest, isList := bytes.CutPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("["))
	return isList && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte("["))
}
