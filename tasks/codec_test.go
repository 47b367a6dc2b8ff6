package tasks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/typedtasks/typedtasks/tasks"
)

// enqProto is a Codec for protobuf messages, as a user would write it.
type enqProto struct{}

var errEnqNoMessage = errors.New("the payload is no protobuf message")

func (enqProto) Name() string        { return "protobuf" }
func (enqProto) ContentType() string { return "application/x-protobuf" }

func (enqProto) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%w: %T", errEnqNoMessage, v)
	}
	return proto.Marshal(m)
}

func (enqProto) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("%w: %T", errEnqNoMessage, v)
	}
	return proto.Unmarshal(data, m)
}

// enqPush posts a body as Cloud Tasks would and returns the answer.
func enqPush(app *tasks.App, path string, body []byte) (status int, answer string) {
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestCodec_Protobuf_CarriesMessages(t *testing.T) {
	t.Parallel()
	var (
		fields *structpb.Struct
		text   *wrapperspb.StringValue
	)
	ofStruct := tasks.New(func(_ context.Context, m *structpb.Struct) error { fields = m; return nil })
	ofString := tasks.New(func(_ context.Context, m *wrapperspb.StringValue) error { text = m; return nil })
	fake := &enqFake{}
	app := enqApp(t, tasks.Config{Transport: fake, Codec: enqProto{}}, ofStruct, ofString)

	want := enqMust(structpb.NewStruct(map[string]any{"to": "ana", "n": 3, "tags": []any{"a", true}}))(t)
	enqMust(ofStruct.Enqueue(t.Context(), want))(t)
	enqMust(ofString.Enqueue(t.Context(), wrapperspb.String("läuft")))(t)
	for i, path := range []string{"/_tasks/tasks/Struct", "/_tasks/tasks/StringValue"} {
		sent := fake.all()[i]
		if !strings.HasSuffix(sent.URL, path) || sent.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("sent to %s as %s", sent.URL, sent.Header.Get("Content-Type"))
		}
		if status, answer := enqPush(app, path, sent.Body); status != http.StatusOK {
			t.Errorf("%s answers %d %s", path, status, answer)
		}
	}
	if !proto.Equal(fields, want) || text.GetValue() != "läuft" {
		t.Errorf("the functions are given %v and %v", fields, text)
	}
	if status, answer := enqPush(app, "/_tasks/tasks/Struct", []byte("\xff")); status != http.StatusBadRequest || !strings.Contains(answer, "protobuf") {
		t.Errorf("a broken message answers %d %s", status, answer)
	}
}

func TestCodec_WhatMarshalRefuses_IsTheErrorOfEnqueue(t *testing.T) {
	t.Parallel()
	fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
	enqApp(t, tasks.Config{Transport: fake, Codec: enqProto{}}, task)
	if _, err := task.Enqueue(t.Context(), enqMail{To: "ana"}); !errors.Is(err, errEnqNoMessage) {
		t.Errorf("got %v, want %v", err, errEnqNoMessage)
	}
	if fake.calls != 0 {
		t.Error("it was sent")
	}
}

// enqBare is a Codec that does not say how its bytes are labelled.
type enqBare struct {
	tasks.JSONCodec
	name string
}

func (c enqBare) Name() string { return c.name }

func TestCodec_ContentType_FollowsTheName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"json": "application/json", "msgpack": "application/octet-stream"} {
		fake, task := &enqFake{}, tasks.New(enqDone[enqMail])
		enqApp(t, tasks.Config{Transport: fake, Codec: enqBare{name: name}}, task)
		enqMust(task.Enqueue(t.Context(), enqMail{To: "ana"}))(t)
		if got := fake.only(t).Header.Get("Content-Type"); got != want {
			t.Errorf("%s is sent as %q, want %q", name, got, want)
		}
	}
}

func TestJSONCodec_UnknownFields(t *testing.T) {
	t.Parallel()
	body := []byte(`{"to":"ana","added_later":1}`)
	for _, c := range []struct {
		codec tasks.Codec
		want  int
	}{
		{nil, http.StatusOK},
		{tasks.JSONCodec{}, http.StatusOK},
		{tasks.JSONCodec{Strict: true}, http.StatusBadRequest},
	} {
		app := enqApp(t, tasks.Config{Transport: &enqFake{}, Codec: c.codec}, tasks.New(enqDone[enqMail]))
		status, answer := enqPush(app, "/_tasks/tasks/enqMail", body)
		if status != c.want || c.want == http.StatusBadRequest && !strings.Contains(answer, "added_later") {
			t.Errorf("%+v answers %d %s, want %d", c.codec, status, answer, c.want)
		}
	}
}

func TestJSONCodec_Refuses_WhatIsNoSingleValue(t *testing.T) {
	t.Parallel()
	app := enqApp(t, tasks.Config{Transport: &enqFake{}},
		tasks.New(enqDone[enqMail]), tasks.New(enqDone[struct{}], tasks.WithName("bare")))
	for _, c := range []struct {
		path, body string
		want       int
	}{
		{"enqMail", `{"to":"ana"} `, http.StatusOK},
		{"enqMail", `{"to":"ana"}x`, http.StatusBadRequest},
		{"enqMail", `{"to":"ana"}{"to":"ben"}`, http.StatusBadRequest},
		{"enqMail", `{"to":NaN}`, http.StatusBadRequest},
		{"enqMail", `{"to":7}`, http.StatusBadRequest},
		{"enqMail", ``, http.StatusBadRequest},
		{"bare", ``, http.StatusOK},
		{"bare", `x`, http.StatusBadRequest},
	} {
		if status, answer := enqPush(app, "/_tasks/tasks/"+c.path, []byte(c.body)); status != c.want {
			t.Errorf("%s %q answers %d %s, want %d", c.path, c.body, status, answer, c.want)
		}
	}
}
