// SPDX-License-Identifier: Apache-2.0

package iter8

import (
	"fmt"
	"strings"
	"text/template/parse"
	"unicode"
)

// scriptTemplate turns a text of the dialect of run, whose templates stand in
// @< >@ and name the fields and methods of Iter8's own structs, into a native
// template. What stands in {{ }} is text there. It names no secrets.
func scriptTemplate(s string) (string, error) {
	if !strings.Contains(s, "@<") {
		return asIs(s), nil
	}
	trees, err := parse.Parse("run", s, "@<", ">@", scriptFunctions)
	switch {
	case err != nil:
		_, why, _ := strings.Cut(err.Error(), "template: run:")
		return "", fmt.Errorf("its template cannot be read: %s", why)
	case len(trees) != 1:
		return "", fmt.Errorf("its template defines others")
	}
	for _, tree := range trees {
		if err := rewriteList(tree.Root, true); err != nil {
			return "", err
		}
		return tree.Root.String(), nil
	}
	return "", nil
}

// scriptFunctions are those of templates.
var scriptFunctions = map[string]any{
	"and": 0, "or": 0, "not": 0, "len": 0, "index": 0, "slice": 0, "print": 0, "printf": 0, "println": 0,
	"html": 0, "js": 0, "urlquery": 0, "eq": 0, "ne": 0, "lt": 0, "le": 0, "gt": 0, "ge": 0, "call": 0,
}

// rewriteList turns the parts of a template; root says that its dot is the
// experiment.
func rewriteList(list *parse.ListNode, root bool) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		if err := rewriteNode(n, root); err != nil {
			return err
		}
	}
	return nil
}

func rewriteNode(n parse.Node, root bool) error {
	switch x := n.(type) {
	case *parse.TextNode:
		x.Text = []byte(asIs(string(x.Text)))
		return nil
	case *parse.ActionNode:
		return rewritePipe(x.Pipe, root)
	case *parse.IfNode:
		return rewriteBranch(&x.BranchNode, root, root)
	case *parse.WithNode:
		return rewriteBranch(&x.BranchNode, root, false)
	case *parse.RangeNode:
		return rewriteBranch(&x.BranchNode, root, false)
	case *parse.BreakNode, *parse.ContinueNode, *parse.CommentNode:
		return nil
	}
	return fmt.Errorf("%s: it cannot be turned", n)
}

func rewriteBranch(b *parse.BranchNode, root, inside bool) error {
	if err := rewritePipe(b.Pipe, root); err != nil {
		return err
	}
	if err := rewriteList(b.List, inside); err != nil {
		return err
	}
	return rewriteList(b.ElseList, root)
}

func rewritePipe(p *parse.PipeNode, root bool) error {
	for _, c := range p.Cmds {
		if _, field := c.Args[0].(*parse.FieldNode); field && len(c.Args) > 1 {
			return fmt.Errorf("%s: a task's text can name no secret and call no method", c)
		}
		for _, a := range c.Args {
			if err := rewriteArg(a, root); err != nil {
				return err
			}
		}
	}
	return nil
}

func rewriteArg(n parse.Node, root bool) error {
	switch x := n.(type) {
	case *parse.FieldNode:
		x.Ident = documentPath(x.Ident, root)
	case *parse.VariableNode:
		if x.Ident[0] == "$" && len(x.Ident) > 1 {
			x.Ident = append([]string{"$"}, documentPath(x.Ident[1:], true)...)
		} else {
			x.Ident = append(x.Ident[:1:1], lowered(x.Ident[1:])...)
		}
	case *parse.ChainNode:
		x.Field = lowered(x.Field)
		return rewriteArg(x.Node, root)
	case *parse.PipeNode:
		return rewritePipe(x, root)
	case *parse.DotNode:
		if root {
			return fmt.Errorf("the whole experiment cannot be written into a text")
		}
	}
	return nil
}

// What the fields and methods of Iter8's experiment are in an action's document.
var documentFields = map[string][]string{
	"Name":         {"experiment", "name"},
	"Namespace":    {"experiment", "namespace"},
	"WinnerFound":  {"experiment", "winnerFound"},
	"CandidateWon": {"experiment", "candidateWon"},
	"ObjectMeta":   {"this", "metadata"},
	"Spec":         {"this", "spec"},
	"Status":       {"this", "status"},
}

// documentPath is the path in an action's document of fields of the experiment,
// or of something of it.
func documentPath(ident []string, root bool) []string {
	if !root {
		return lowered(ident)
	}
	to, ok := documentFields[ident[0]]
	if !ok {
		return ident // A variable, or nothing: then it is empty.
	}
	return append(append([]string(nil), to...), lowered(ident[1:])...)
}

// lowered turns the names of Go's fields into those of JSON.
func lowered(ident []string) []string {
	out := make([]string, len(ident))
	for i, s := range ident {
		switch s {
		case "RollbackOnFailure":
			out[i] = "rollback_on_failure"
		case "JQExpression":
			out[i] = "jqExpression"
		case "URLTemplate":
			out[i] = "urlTemplate"
		case "APIVersion":
			out[i] = "apiVersion"
		case "UID":
			out[i] = "uid"
		default:
			r := []rune(s)
			r[0] = unicode.ToLower(r[0])
			out[i] = string(r)
		}
	}
	return out
}
