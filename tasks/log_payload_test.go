package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
)

// logCard redacts itself.
type logCard struct {
	Number string `json:"number" validate:"required"`
	Owner  string `json:"owner"`
}

func (c logCard) LogValue() slog.Value {
	return slog.GroupValue(slog.String("number", "****"), slog.String("owner", c.Owner))
}

// logNote shows whatever its function does.
type logNote struct {
	Text string `json:"text"`
}

func (n *logNote) LogValue() slog.Value {
	switch n.Text {
	case "deep":
		return slog.GroupValue(slog.Any("card", logCard{Number: "4111", Owner: "ana"}), slog.Group("in", slog.Int("n", 7)))
	case "long":
		return slog.StringValue(strings.Repeat("é", 1<<20))
	case "many":
		attrs := make([]slog.Attr, 10_000)
		for i := range attrs {
			attrs[i] = slog.Int("attribute", i)
		}
		return slog.GroupValue(attrs...)
	case "long inside":
		return slog.GroupValue(slog.String("a", strings.Repeat("x", 1<<20)), slog.String("b", strings.Repeat("x", 1<<20)))
	case "any":
		return slog.AnyValue(map[string]string{"a": strings.Repeat("x", 1<<20)})
	case "small any":
		return slog.AnyValue(map[string]int{"a": 1})
	case "error":
		return slog.AnyValue(errors.New("a\n" + strings.Repeat("x", 1<<20)))
	case "odd":
		return slog.AnyValue(func() {})
	case "panics":
		panic("out of ink")
	}
	return slog.StringValue("note: " + n.Text)
}

// logLine delivers body to a task of T with payloads logged, and returns the line.
func logLine[T any](t *testing.T, body string, cfg tasks.Config) map[string]any {
	t.Helper()
	var b bytes.Buffer
	cfg.Logger = slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Quarantine = func(context.Context, tasks.Quarantined) error { return errDlv } // without which there is a warning
	app := dlvApp(t, cfg, tasks.New(func(context.Context, T) error { return nil }, tasks.WithName("order")))
	app.ServeHTTP(&discardWriter{header: http.Header{}}, dlvPost("/tasks/order", body))
	if n := bytes.Count(b.Bytes(), []byte("\n")); n != 1 || b.Len() > 8<<10 {
		t.Fatalf("%d lines of %d bytes", n, b.Len())
	}
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	return line
}

func TestLog_Payload_OnlyWhenAsked(t *testing.T) {
	t.Parallel()
	if line := logLine[logCard](t, `{"number": "4111"}`, tasks.Config{}); line["payload"] != nil || line["msg"] != "task executed" {
		t.Errorf("logged %v", line)
	}
	for _, body := range []string{`{"number": 4111}`, `{"owner": "ana"}`, `4111`} { // nothing that could redact itself has come of it
		if line := logLine[logCard](t, body, tasks.Config{LogPayloads: true}); line["payload"] != nil || line["outcome"] != "rejected" {
			t.Errorf("%s: logged %v", body, line)
		}
	}
}

func TestLog_Payload_RedactsItself(t *testing.T) {
	t.Parallel()
	asked := tasks.Config{LogPayloads: true}
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const card = `{"number": "4111", "owner": "ana"}`
	for name, c := range map[string]struct {
		got  any
		want string
	}{
		"by a method of the value":             {logLine[logCard](t, card, asked)["payload"], `{"number":"****","owner":"ana"}`},
		"by one of the value, given a pointer": {logLine[*logCard](t, card, asked)["payload"], `{"number":"****","owner":"ana"}`},
		"by a method of the pointer":           {logLine[logNote](t, `{"text": "hi"}`, asked)["payload"], `"note: hi"`},
		"inside":                               {logLine[logNote](t, `{"text": "deep"}`, asked)["payload"], `{"card":{"number":"****","owner":"ana"},"in":{"n":7}}`},
		"has no method: its JSON":              {logLine[dlvOrder](t, `{"id": 7, "unknown": "secret"}`, asked)["payload"], `"{\"id\":7}"`},
		"a map":                                {logLine[map[string]int](t, `{"a": 1}`, asked)["payload"], `"{\"a\":1}"`},
		"a scalar":                             {logLine[int](t, `7`, asked)["payload"], `"7"`},
		"a small value of any type":            {logLine[logNote](t, `{"text": "small any"}`, asked)["payload"], `{"a":1}`},
	} {
		if got := text(c.got); got != c.want {
			t.Errorf("%s: logged %s, want %s", name, got, c.want)
		}
	}
}

func TestLog_Payload_IsBounded(t *testing.T) {
	t.Parallel()
	for _, note := range []string{"long", "many", "long inside", "any", "error", "odd", "panics"} { // logLine counts the bytes
		if line := logLine[logNote](t, `{"text": "`+note+`"}`, tasks.Config{LogPayloads: true}); line["payload"] == nil {
			t.Errorf("%s: logged %v", note, line)
		}
	}
	line := logLine[[]string](t, `["`+strings.Repeat("x", 100<<10)+`"]`, tasks.Config{LogPayloads: true})
	if got, _ := line["payload"].(string); !strings.HasPrefix(got, `["xxx`) || !strings.HasSuffix(got, "x... (102404 bytes)") {
		t.Errorf("logged %.20q...", got)
	}
}

// logCodec is not JSON's, and neither is what it carries.
type logCodec struct{}

func (logCodec) Name() string                { return "fn" }
func (logCodec) Marshal(any) ([]byte, error) { return []byte("fn"), nil }
func (logCodec) Unmarshal(b []byte, v any) error {
	v.(*logAny).V = make(chan int)
	v.(*logAny).S = "a\nb"
	return nil
}

type logAny struct {
	V any
	S string
}

func TestLog_Payload_ThatIsNoJSON_IsShownOnOneLine(t *testing.T) {
	t.Parallel()
	line := logLine[logAny](t, "x", tasks.Config{LogPayloads: true, Codec: logCodec{}})
	if got, _ := line["payload"].(string); !strings.HasPrefix(got, `"&{V:0x`) || !strings.HasSuffix(got, `S:a\nb}"`) {
		t.Errorf("logged %q", got)
	}
}

func TestLog_Payload_OfARunInTheCaller(t *testing.T) {
	t.Parallel()
	log := &dlvLog{least: slog.LevelDebug}
	task := tasks.New(func(context.Context, logCard) error { return nil })
	dlvApp(t, tasks.Config{Logger: slog.New(log), LogPayloads: true}, task)
	if err := task.Run(t.Context(), logCard{Number: "4111"}); err != nil {
		t.Fatal(err)
	}
	rs := log.taken()
	if len(rs) != 1 || !strings.Contains(rs[0].attrs["payload"], "****") || strings.Contains(rs[0].attrs["payload"], "4111") {
		t.Errorf("logged %+v", rs)
	}
	if _, err := task.Enqueue(t.Context(), logCard{Number: "4111"}, tasks.In(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if rs := log.taken(); len(rs) != 1 || rs[0].attrs["payload"] != "" {
		t.Errorf("an enqueue logged %+v", rs)
	}
}
