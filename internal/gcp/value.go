package gcp

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// Value is a text and where it came from, for errors: the name of an option or of a variable.
type Value struct{ Text, Source string }

// Check is what check says of the value, as an error that names it; nil where it is not set.
func (v Value) Check(check func(string) error) error {
	if v.Source == "" {
		return nil
	}
	err := check(v.Text)
	switch {
	case err == nil:
		return nil
	case strings.HasPrefix(v.Source, "With"):
		return fmt.Errorf("%s(%q): %w", v.Source, v.Text, err)
	default:
		return fmt.Errorf("%s=%q: %w", v.Source, v.Text, err)
	}
}

// or sets it to fallback where it is empty.
func (v *Value) or(fallback string) {
	if v.Text == "" {
		v.Text = fallback
	}
}

// CheckProject reports why s is no project id.
func CheckProject(s string) error {
	if !made(s, "-:.") {
		return errors.New(`want a project id: letters, digits, "-", ":" and "."`)
	}
	return nil
}

// CheckLocation reports why s is no location.
func CheckLocation(s string) error {
	if !made(s, "-") {
		return errors.New(`want a location such as "europe-west1": letters, digits and "-"`)
	}
	return nil
}

// CheckAccount reports why s is no e-mail address of a service account.
func CheckAccount(s string) error {
	name, domain, ok := strings.Cut(s, "@")
	if !ok || name == "" || domain == "" || strings.ContainsAny(s, " \t,/") {
		return errors.New(`want the e-mail address of a service account, such as "tasks@my-project.iam.gserviceaccount.com"`)
	}
	return nil
}

// CheckHostPort returns a check for host:port, whose error has an example with this port.
func CheckHostPort(port string) func(string) error {
	return func(s string) error {
		host, p, err := net.SplitHostPort(strings.TrimPrefix(s, "http://"))
		if err != nil || host == "" || p == "" {
			return fmt.Errorf(`want host:port, such as "localhost:%s"`, port)
		}
		return nil
	}
}

// made reports whether s is letters, digits and others, and not empty.
func made(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return s != ""
}
