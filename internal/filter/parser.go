package filter

import (
	"fmt"
	"strings"
)

// parser is a recursive descent with one token of lookahead.
//
//	expression = term { "AND" term } | term { "OR" term }
//	term       = [ "NOT" | "-" ] simple
//	simple     = "(" expression ")" | comparison | call
//	comparison = "attributes" ( ":" key | "." key ( "=" | "!=" ) string )
//	call       = "hasPrefix" "(" "attributes" "." key "," string ")"
type parser struct {
	lex lexer
	tok token
}

func (p *parser) parse() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != end {
		return nil, p.trailing()
	}
	return n, nil
}

func (p *parser) expression() (node, error) {
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	terms, operator := []node{first}, ""
	for p.isOperator("AND") || p.isOperator("OR") {
		if operator != "" && p.tok.text != operator {
			return nil, p.fail("AND and OR are not mixed without parentheses")
		}
		operator = p.tok.text
		if err := p.advance(); err != nil {
			return nil, err
		}
		t, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
	switch operator {
	case "AND":
		return all(terms), nil
	case "OR":
		return some(terms), nil
	}
	return first, nil
}

func (p *parser) term() (node, error) {
	if !p.isOperator("NOT") && p.tok.kind != "-" {
		return p.simple()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.isOperator("NOT") || p.tok.kind == "-" {
		return nil, p.fail("a negation of a negation needs parentheses")
	}
	n, err := p.simple()
	if err != nil {
		return nil, err
	}
	return not{n}, nil
}

func (p *parser) simple() (node, error) {
	switch {
	case p.tok.kind == "(":
		return p.parenthesis()
	case p.tok.kind == word && p.tok.text == "attributes":
		return p.comparison()
	case p.tok.kind == word && p.tok.text == "hasPrefix":
		return p.call()
	case p.tok.kind == text:
		return nil, p.fail("a condition begins with attributes, not with a string")
	case p.tok.kind == word && strings.EqualFold(p.tok.text, "not"):
		return nil, p.fail("operators are in upper case: NOT")
	}
	return nil, p.fail(fmt.Sprintf("expected a condition (attributes:key, attributes.key = \"value\", hasPrefix), not %v", p.tok))
}

func (p *parser) parenthesis() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.tok.kind == end {
		return nil, p.fail("a closing parenthesis is missing")
	}
	if p.tok.kind != ")" {
		return nil, p.trailing()
	}
	return n, p.advance()
}

func (p *parser) comparison() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == ":" {
		key, err := p.key()
		return has{key}, err
	}
	key, err := p.dotKey()
	if err != nil {
		return nil, err
	}
	operator := p.tok
	if operator.kind == "." {
		return nil, p.trailing()
	}
	if operator.kind != "=" && operator.kind != "!=" {
		return nil, p.fail(fmt.Sprintf("expected = or !=, not %v: attributes:%s asks whether it is there", p.tok, keyString(key)))
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	if operator.kind == "=" {
		return equal{key, value}, nil
	}
	return notEqual{key, value}, nil
}

func (p *parser) call() (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if p.tok.kind != word || p.tok.text != "attributes" {
		return nil, p.fail(fmt.Sprintf("expected attributes.key, not %v", p.tok))
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	key, err := p.dotKey()
	if err != nil {
		return nil, err
	}
	if err := p.expect(","); err != nil {
		return nil, err
	}
	prefix, err := p.value()
	if err != nil {
		return nil, err
	}
	return hasPrefix{key, prefix}, p.expect(")")
}

// dotKey reads the rest of attributes.key.
func (p *parser) dotKey() (string, error) {
	if p.tok.kind != "." {
		return "", p.fail(fmt.Sprintf("expected \".\" or \":\" and a key after attributes, not %v", p.tok))
	}
	return p.key()
}

// key reads a key after the token before it, "." or ":".
func (p *parser) key() (string, error) {
	var err error
	if p.tok, err = p.lex.next(true); err != nil {
		return "", err
	}
	if p.tok.kind != word && p.tok.kind != text {
		return "", p.fail(fmt.Sprintf("expected a key, not %v", p.tok))
	}
	if p.tok.text == "" {
		return "", p.fail("the key is empty")
	}
	key := p.tok.text
	return key, p.advance()
}

// value reads a string.
func (p *parser) value() (string, error) {
	if p.tok.kind != text {
		return "", p.fail(fmt.Sprintf("expected a string in double quotes, not %v", p.tok))
	}
	value := p.tok.text
	return value, p.advance()
}

func (p *parser) expect(k kind) error {
	if p.tok.kind != k {
		return p.fail(fmt.Sprintf("expected %q, not %v", string(k), p.tok))
	}
	return p.advance()
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next(false)
	return err
}

func (p *parser) isOperator(name string) bool { return p.tok.kind == word && p.tok.text == name }

// trailing says why nothing can follow a condition where p stands.
func (p *parser) trailing() error {
	upper := strings.ToUpper(p.tok.text)
	switch {
	case p.tok.kind == word && (upper == "AND" || upper == "OR") && upper != p.tok.text:
		return p.fail(fmt.Sprintf("operators are in upper case: %s", upper))
	case p.tok.kind == ".":
		return p.fail("a key with a dot stands in double quotes")
	}
	return p.fail(fmt.Sprintf("expected AND, OR or the end, not %v", p.tok))
}

func (p *parser) fail(reason string) error { return p.lex.fail(p.tok.pos, reason) }
