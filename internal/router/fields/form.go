// SPDX-License-Identifier: Apache-2.0

package fields

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/headgate-dev/headgate/internal/router"
)

// form is how a field holds a share.
type form int

const (
	percent     form = iota // a number, 0 to 100
	quantity                // a text, "0" to "1"
	percentText             // a text of an annotation, "0" to "100"
	gone                    // the field has nowhere to be
)

const thousandths = 1000

// units is how many of the form's smallest parts are everything.
func (f form) units() int64 {
	if f == quantity {
		return thousandths
	}
	return 100
}

// formOf is the form of the field at a path that holds v; nil is nothing.
func formOf(path router.Path, v any) form {
	annotation := len(path) == 3 && path[0] == "metadata" && path[1] == "annotations"
	_, text := v.(string)
	switch {
	case annotation:
		return percentText
	case text:
		return quantity
	default:
		return percent
	}
}

// write is n of total in the form.
func (f form) write(n, total int64) any {
	n = n * f.units() / total
	switch {
	case f == percent:
		return n
	case f == percentText:
		return strconv.FormatInt(n, 10)
	case n%thousandths == 0:
		return strconv.FormatInt(n/thousandths, 10)
	default:
		return strconv.FormatInt(n, 10) + "m"
	}
}

// quantityForm is the part of Kubernetes' quantities that is 0 to some hundreds:
// a decimal number, alone or of thousandths, millionths or milliardths.
var quantityForm = regexp.MustCompile(`^\+?([0-9]{1,12}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(m|u|n)?$`)

// read is the share that v says, in slots as an exact number; what says what is
// wrong with it. Relative weights may be more than everything.
func (f form) read(v any) (slots *big.Rat, what string) {
	whole := big.NewRat(1, 1)
	switch f {
	case percent:
		n, ok := router.Int(v)
		if !ok {
			return nil, "want a whole number of percent, or a quantity of one as text"
		}
		whole.SetInt64(n)
		whole.Mul(whole, big.NewRat(100, 1))
	case percentText:
		text, ok := v.(string)
		n, err := strconv.ParseInt(text, 10, 32)
		if !ok || err != nil {
			return nil, "want a whole number of percent as text"
		}
		whole.SetInt64(n)
		whole.Mul(whole, big.NewRat(100, 1))
	default:
		text, _ := v.(string)
		m := quantityForm.FindStringSubmatch(text)
		if m == nil {
			return nil, `want a quantity of one, such as "500m"`
		}
		if _, ok := whole.SetString(strings.TrimSuffix("0"+m[1], ".")); !ok {
			return nil, `want a quantity of one, such as "500m"`
		}
		divisor := map[string]int64{"": 1, "m": 1_000, "u": 1_000_000, "n": 1_000_000_000}[m[2]]
		whole.Mul(whole, big.NewRat(10_000, divisor))
	}
	if whole.Sign() < 0 {
		return nil, "is less than 0"
	}
	return whole, ""
}
