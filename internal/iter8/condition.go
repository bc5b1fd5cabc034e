// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"regexp"
	"strings"
)

// The functions of an if, and what they are in jq on an action's document.
var conditionFunctions = map[string]string{
	"CandidateWon": ".experiment.candidateWon",
	"WinnerFound":  ".experiment.winnerFound",
}

// token is a word or a sign of an if.
var token = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_.]*|\(|\)|&&|\|\||!=|==|!|\S)`)

// condition turns the if of a task into jq: CandidateWon() and WinnerFound(),
// put together by not, and, or and parentheses. Nothing else can be asked.
func condition(s string) (string, error) {
	p := &conditionParser{}
	for rest := s; strings.TrimSpace(rest) != ""; {
		at := token.FindStringSubmatchIndex(rest)
		p.tokens = append(p.tokens, rest[at[2]:at[3]])
		rest = rest[at[1]:]
	}
	out, err := p.any()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("%q is not expected", p.tokens[0])
	}
	return out, err
}

type conditionParser struct {
	tokens []string
	depth  int
}

// maxConditionDepth bounds parentheses and nots inside of each other.
const maxConditionDepth = 50

// take takes the next token if it is one of some.
func (p *conditionParser) take(any ...string) bool {
	for _, t := range any {
		if len(p.tokens) > 0 && p.tokens[0] == t {
			p.tokens = p.tokens[1:]
			return true
		}
	}
	return false
}

func (p *conditionParser) any() (string, error) {
	return p.joined("or", p.all, "or", "||")
}

func (p *conditionParser) all() (string, error) {
	return p.joined("and", p.one, "and", "&&")
}

func (p *conditionParser) joined(by string, part func() (string, error), signs ...string) (string, error) {
	out, err := part()
	for err == nil && p.take(signs...) {
		var next string
		next, err = part()
		out = "(" + out + " " + by + " " + next + ")"
	}
	return out, err
}

func (p *conditionParser) one() (string, error) {
	if p.depth++; p.depth > maxConditionDepth {
		return "", fmt.Errorf("too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("not", "!"):
		out, err := p.one()
		return "(" + out + " | not)", err
	case p.take("("):
		out, err := p.any()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return out, err
	case p.take("true"):
		return "true", nil
	case p.take("false"):
		return "false", nil
	case len(p.tokens) == 0:
		return "", fmt.Errorf("something is missing at its end")
	}
	name := p.tokens[0]
	p.tokens = p.tokens[1:]
	jq, ok := conditionFunctions[name]
	switch {
	case !ok:
		return "", fmt.Errorf("%q is not known", name)
	case !p.take("(") || !p.take(")"):
		return "", fmt.Errorf("%s is called: %s()", name, name)
	}
	return jq, nil
}
