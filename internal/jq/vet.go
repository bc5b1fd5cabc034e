// SPDX-License-Identifier: Apache-2.0

package jq

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/itchyny/gojq"
)

// Why an expression is refused.
const (
	sameAgain  = "the same answer must give the same number, anywhere and at any time"
	readsOnly  = "an expression reads an answer and does not change it"
	plainTexts = "write the pattern and its flags as plain texts"
	oneByOne   = "ask element by element, for example any(.items[]; .id == 7), or of a text by test"
)

// refusedNames are functions and variables that an expression may not use, by
// why not. Those that build values could take all memory in one step, which
// nothing can stop, and those that search lists for lists all time.
var refusedNames = map[string][]string{
	sameAgain: {
		"$ENV", "env", "now", "localtime", "strflocaltime", "input", "inputs", "input_filename", "input_line_number",
		"debug", "stderr", "halt", "halt_error", "builtins", "modulemeta", "get_search_list", "$__prog_args",
	},
	readsOnly: {"setpath", "pick", "fromstream", "transpose", "combinations", "delpaths", "del"},
	oneByOne:  {"contains", "inside", "indices", "index", "rindex"},
	"it takes as many steps as its first argument says": {"jn", "yn"},
}

// withPatterns are functions whose arguments are regular expressions, which are
// compiled and kept: that of an answer would be kept for each.
var withPatterns = []string{"test", "match", "capture", "scan", "splits", "sub", "gsub"}

// vet refuses what an expression may not do, and rewrites its products.
func vet(query *gojq.Query) *Error {
	var refused *Error
	visit(reflect.ValueOf(query), func(node any) {
		if refused != nil {
			return
		}
		switch n := node.(type) {
		case *gojq.Import:
			refused = &Error{"jq modules are not read", "write the function out"}
		case *gojq.Query:
			refused = vetOperator(n)
		case *gojq.Func:
			refused = vetFunc(n)
		case *gojq.Index:
			if n.Start != nil && !n.IsSlice {
				n.Start = call(keyOf, n.Start)
			}
		}
	})
	return refused
}

func vetOperator(q *gojq.Query) *Error {
	switch q.Op {
	case gojq.OpAssign, gojq.OpModify, gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul, gojq.OpUpdateDiv, gojq.OpUpdateMod, gojq.OpUpdateAlt:
		return &Error{"the expression assigns with " + q.Op.String(), readsOnly}
	case gojq.OpMul:
		q.Term, q.Left, q.Right, q.Op = call(product, q.Left, q.Right).Term, nil, nil, 0
	case gojq.OpAdd:
		q.Left, q.Right = call(sized, q.Left), call(sized, q.Right)
	case gojq.OpSub:
		q.Term, q.Left, q.Right, q.Op = call(difference, q.Left, q.Right).Term, nil, nil, 0
	}
	return nil
}

// call is the expression that calls a function.
func call(name string, args ...*gojq.Query) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: args}}}
}

func vetFunc(f *gojq.Func) *Error {
	for why, names := range refusedNames {
		if slices.Contains(names, f.Name) {
			return &Error{"the expression uses " + f.Name, why}
		}
	}
	patterns := f.Args
	switch {
	case f.Name == "split" && len(f.Args) == 2:
	case !slices.Contains(withPatterns, f.Name):
		return nil
	case f.Name == "sub" || f.Name == "gsub":
		patterns = slices.Concat(f.Args[:min(1, len(f.Args))], f.Args[min(2, len(f.Args)):])
	}
	for _, p := range patterns {
		if p.Term == nil || p.Term.Type != gojq.TermTypeString || len(p.Term.Str.Queries) > 0 || len(p.Term.SuffixList) > 0 || len(p.FuncDefs) > 0 {
			return &Error{fmt.Sprintf("the pattern of %s is computed", f.Name), plainTexts}
		}
	}
	return nil
}

// visit shows every node of an expression that is behind a pointer, the whole
// before its parts.
func visit(v reflect.Value, see func(node any)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			see(v.Interface())
			visit(v.Elem(), see)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			visit(v.Field(i), see)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), see)
		}
	}
}

// The functions that stand for what jq does with lists and texts too: it would
// repeat texts by *, take each element of a list from another by -, and look for
// a list in a list by [].
const (
	product    = "_headgate_product"
	difference = "_headgate_difference"
	keyOf      = "_headgate_key"
	// sized passes on what may be added to: texts and lists that are doubled and
	// doubled again would soon take all memory.
	sized = "_headgate_sized"
)

// What answers of a MiB can have at most is small enough to be added to.
const (
	maxSizedText = 2 << 20
	maxSizedList = 1 << 20
)

var (
	errNumbers = errors.New("only numbers are multiplied and subtracted")
	errKey     = errors.New("a list is no index")
	errSize    = errors.New("it grows too large")
)

// functions are what those names stand for.
func functions() []gojq.CompilerOption {
	numbers := func(name string, f func(x, y float64) float64) gojq.CompilerOption {
		return gojq.WithFunction(name, 2, 2, func(_ any, args []any) any {
			x, ok := gojq.ToFloat64(args[0])
			y, also := gojq.ToFloat64(args[1])
			if !ok || !also {
				return errNumbers
			}
			return f(x, y)
		})
	}
	return []gojq.CompilerOption{
		numbers(product, func(x, y float64) float64 { return x * y }),
		numbers(difference, func(x, y float64) float64 { return x - y }),
		gojq.WithFunction(keyOf, 1, 1, func(_ any, args []any) any {
			if _, list := args[0].([]any); list {
				return errKey
			}
			return args[0]
		}),
		gojq.WithFunction(sized, 1, 1, func(_ any, args []any) any {
			switch v := args[0].(type) {
			case string:
				if len(v) > maxSizedText {
					return errSize
				}
			case []any:
				if len(v) > maxSizedList {
					return errSize
				}
			}
			return args[0]
		}),
	}
}
