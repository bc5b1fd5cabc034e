// SPDX-License-Identifier: Apache-2.0

package prediction

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// errTrailing is of a body that goes on where it should end.
var errTrailing = errors.New("something follows the JSON value")

// Decode decodes a JSON body as the functions of this package take it, with its
// numbers as they were written. NaN, Infinity and -Infinity, which are no JSON
// but what some model servers write, become null. The error quotes nothing of
// the body.
func Decode(body []byte) (any, error) {
	v, err := decode(body)
	if err == nil {
		return v, nil
	}
	if mended, found := nullForNaN(body); found {
		if v, again := decode(mended); again == nil {
			return v, nil
		}
	}
	return nil, err
}

func decode(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if at, ok := errors.AsType[*json.SyntaxError](err); ok {
			return nil, fmt.Errorf("not JSON from byte %d on", at.Offset)
		}
		return nil, errors.New("not JSON: it ends too early")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	return v, nil
}

// nullForNaN writes null for every NaN and infinity outside texts, and reports
// whether there was one.
func nullForNaN(body []byte) (mended []byte, found bool) {
	if !bytes.Contains(body, []byte("NaN")) && !bytes.Contains(body, []byte("Infinity")) {
		return nil, false
	}
	mended = make([]byte, 0, len(body)+64)
	inText := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if n := lengthOfNaN(body[i:]); n > 0 && !inText {
			mended, found = append(mended, "null"...), true
			i += n - 1
			continue
		}
		mended = append(mended, c)
		switch {
		case c == '\\' && i+1 < len(body):
			i++
			mended = append(mended, body[i])
		case c == '"':
			inText = !inText
		}
	}
	return mended, found
}

// lengthOfNaN is the length of the NaN or infinity that b begins with, or 0.
func lengthOfNaN(b []byte) int {
	switch b[0] {
	case 'N', 'I', '-':
		for _, name := range []string{"NaN", "Infinity", "-Infinity"} {
			if bytes.HasPrefix(b, []byte(name)) {
				return len(name)
			}
		}
	}
	return 0
}
