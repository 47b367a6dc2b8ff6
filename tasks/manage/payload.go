package manage

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/schedule"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// dataFlag is --data.
type dataFlag struct {
	text string
	cmd  *cobra.Command
}

func (f *dataFlag) add(cmd *cobra.Command) {
	f.cmd = cmd
	cmd.Flags().StringVar(&f.text, "data", "", "the payload: `JSON`, @file, or - for standard input")
	completeFlag(cmd, "data", cobra.NoFileCompletions)
}

func (f *dataFlag) given() bool { return f.cmd.Flags().Changed("data") }

// read returns the bytes of --data, nil where it is not given. most bounds what files and standard input may hold.
func (f *dataFlag) read(c *call, most int) ([]byte, error) {
	switch {
	case !f.given():
		return nil, nil
	case f.text == "-":
		if c.console.inTTY {
			c.console.note("reading the payload from the terminal: end it with Ctrl-D")
		}
		return readAll(c, c.console.in, "standard input", most)
	case strings.HasPrefix(f.text, "@"):
		file, err := os.Open(f.text[1:])
		if err != nil {
			return nil, usagef("--data: %w", err)
		}
		defer file.Close()
		return readAll(c, file, f.text[1:], most)
	}
	return []byte(f.text), nil
}

func readAll(c *call, r io.Reader, what string, most int) ([]byte, error) {
	data, err := interruptible(c, func() ([]byte, error) { return io.ReadAll(io.LimitReader(r, int64(most)+1)) })
	switch {
	case err != nil:
		return nil, fmt.Errorf("--data: %s: %w", what, err)
	case len(data) > most:
		return nil, usagef("--data: %s has more than %d bytes: %w", what, most, tasks.ErrTooLarge)
	}
	return data, nil
}

// body is the payload of a task in the App's codec: of --data, else of its schedule, else none.
func (f *dataFlag) body(c *call, d tasks.Definition) ([]byte, error) {
	s := d.Spec()
	data, err := f.read(c, transport.MaxTaskSize)
	if err != nil {
		return nil, err
	}
	if !f.given() {
		if s.Kind == tasks.KindPeriodic {
			job, err := schedule.Describe(c.cfg, d)
			if err != nil {
				return nil, err
			}
			return job.Body, nil
		}
		if !isEmpty(s.Payload) {
			return nil, usagef("%s needs a payload: pass it with --data%s", s.Name, like(s.Payload))
		}
		if err := c.app.Validate(target(s.Payload)); err != nil { // it may refuse by what is not in it
			return nil, fmt.Errorf("%s: %w", s.Name, usageOf(err))
		}
		return nil, nil
	}
	v, err := c.decode(s, data)
	if err != nil {
		return nil, err
	}
	return payload.Encode(c.cfg.Codec, v)
}

// decode is a payload typed by hand: what its type has no field for is taken for a mistake.
func (c *call) decode(s tasks.Spec, data []byte) (any, error) {
	if len(data) == 0 {
		return nil, usagef("%s: --data is empty: pass a payload%s", s.Name, like(s.Payload))
	}
	v := target(s.Payload)
	if err := c.app.Decode(tasks.JSONCodec{Strict: true}, data, v); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, usageOf(err))
	}
	return v, nil
}

// target is what a payload of type t is decoded to: codecs see a pointer, for a pointer type one of its own.
func target(t reflect.Type) any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return reflect.New(t).Interface()
}

func isEmpty(t reflect.Type) bool { return t.Kind() == reflect.Struct && t.NumField() == 0 }

// like is an example of a payload of type t, empty where none can be made.
func like(t reflect.Type) string {
	body, err := payload.Encode(tasks.JSONCodec{}, target(t))
	if err != nil || len(body) > 500 {
		return ""
	}
	return fmt.Sprintf(", like '%s'", body)
}

// pairs parses flags like K=V. A key that comes twice is a mistake, for headers in whatever spelling.
func pairs(flag string, given []string) (map[string]string, error) {
	m, as := make(map[string]string, len(given)), make(map[string]string, len(given))
	for _, text := range given {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usagef("--%s %q is not of the form key=value", flag, text)
		}
		folded := key
		if flag == "header" {
			folded = http.CanonicalHeaderKey(key)
		}
		switch before, twice := as[folded]; {
		case twice && before != key:
			return nil, usagef("--%s: %q is given twice: %q is the same", flag, key, before)
		case twice:
			return nil, usagef("--%s: %q is given twice", flag, key)
		}
		m[key], as[folded] = value, key
	}
	return m, nil
}
