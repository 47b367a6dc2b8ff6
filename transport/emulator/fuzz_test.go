package emulator

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/typedtasks/typedtasks/internal/engine"
)

func FuzzTaskName(f *testing.F) {
	for _, s := range []string{"projects/p/locations/l/queues/q/tasks/t", "projects/a.b:c/locations/l/queues/q-1/tasks/a_b", "queues/q", "", "projects/p/locations/l/queues/q/tasks/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		queue, id, err := splitTaskName(name)
		if err != nil {
			return
		}
		if queue+"/tasks/"+id != name || checkQueueName(queue) != nil || strings.ContainsAny(name, " \n\x00") || shortID(name) != id {
			t.Errorf("%q is queue %q, id %q", name, queue, id)
		}
		if location := locationOf(queue); !isLocation(location) || !strings.HasPrefix(queue, location+"/queues/") {
			t.Errorf("%q is in location %q", name, location)
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"state: PAUSED", `name:"x" AND NOT (state=RUNNING OR rate_limits.max_dispatches_per_second >= 0.5)`, "-state:PAUSED", "retry_config.min_backoff<1s", "((", `purge_time>"2020-01-01T00:00:00Z"`} {
		f.Add(s)
	}
	queues := []proto.Message{newQueue("projects/p/locations/l/queues/q"), &cloudtaskspb.Queue{State: cloudtaskspb.Queue_PAUSED}}
	f.Fuzz(func(t *testing.T, text string) {
		keep, err := parseFilter(text, (&cloudtaskspb.Queue{}).ProtoReflect().Descriptor())
		if err != nil {
			return
		}
		negated, err := parseFilter("NOT ("+text+")", (&cloudtaskspb.Queue{}).ProtoReflect().Descriptor())
		if err != nil {
			return // nothing, or too deep
		}
		for _, q := range queues {
			if keep(q) == negated(q) {
				t.Errorf("filter %q and its negation agree on %v", text, q)
			}
		}
	})
}

func FuzzMask(f *testing.F) {
	for _, s := range []string{"rate_limits", "rateLimits.maxDispatchesPerSecond", "http_target.uri_override.path_override.path", "*", "", "name,state", "http_target.header_overrides.header"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, paths string) {
		from := &cloudtaskspb.Queue{Name: "from", RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 1, MaxConcurrentDispatches: 2}}
		into := newQueue("into")
		was, source := proto.CloneOf(into), proto.CloneOf(from)
		err := applyMask(into, from, &fieldmaskpb.FieldMask{Paths: strings.Split(paths, ",")})
		if !proto.Equal(from, source) {
			t.Errorf("mask %q changed its source", paths)
		}
		if err != nil && !proto.Equal(into, was) {
			t.Errorf("mask %q failed and changed its target: %v", paths, err)
		}
		again := proto.CloneOf(into)
		if err == nil && (applyMask(again, from, &fieldmaskpb.FieldMask{Paths: strings.Split(paths, ",")}) != nil || !proto.Equal(again, into)) {
			t.Errorf("mask %q applied twice is something else", paths)
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add(uint8(1), uint8(1), "a@b", "aud", "x-a")
	f.Add(uint8(0), uint8(0), "", "", "")
	f.Fuzz(func(t *testing.T, method, auth uint8, email, scope, name string) {
		want := target{method: cloudtaskspb.HttpMethod(method), auth: authKind(auth)}
		if want.auth != noAuth {
			want.email, want.scope = email, scope
		}
		if name != "" {
			want.odd = []string{name}
		}
		got := decodeTarget(want.encode())
		if got.method != want.method || got.auth != want.auth || got.email != want.email || got.scope != want.scope || strings.Join(got.odd, "|") != name {
			t.Errorf("%+v came back as %+v", want, got)
		}
		decodeTarget(email) // any text
	})
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"http://a.test/100%", "https://a.test/é?q=a b", "http://a.test/%2F%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded := encodeURL(s)
		if encodeURL(encoded) != encoded {
			t.Errorf("%q is encoded as %q, and that again", s, encoded)
		}
		if checkURL(s) != nil {
			return
		}
		u, err := url.Parse(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := http.NewRequest("POST", u.String(), nil); err != nil {
			t.Errorf("%q was accepted: %v", s, err)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	now := time.Unix(1e9, 0)
	f.Add(pageToken("a", "position", now), "a")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, token, what string) {
		position, err := openToken(token, what, now)
		if err == nil && token != "" && position != "position" {
			t.Errorf("token %q was made up", token)
		}
		if back, err := openToken(pageToken(what, token, now), what, now); err != nil || back != token {
			t.Errorf("%q came back as %q, %v", token, back, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	q := &queue{Queue: newQueue("projects/p/locations/l/queues/q")}
	for _, r := range []record{
		queueToRecord(q), newRecord(queueDeletedRecord, q.Name).time(time.Now()), newRecord(leftRecord, q.Name, "x").time(time.Now()),
		taskToRecord(q.Name, "x", true, time.Now(), "\x0a\x01x"), newRecord(historyRecord, q.Name, "x").time(time.Now()).history(&engine.History{Dispatches: 1}),
		newRecord(purgedRecord, q.Name).time(time.Now()), newRecord(tombstoneRecord, q.Name, "x").time(time.Now()), newRecord(keyRecord), {}, {99},
	} {
		f.Add([]byte(r))
	}
	f.Fuzz(func(t *testing.T, r []byte) {
		s := newSaved()
		if err := s.read(queueToRecord(q)); err != nil {
			t.Fatal(err)
		}
		if err := s.read(taskToRecord(q.Name, "x", true, time.Now(), "")); err != nil {
			t.Fatal(err)
		}
		if s.read(r) == nil && s.read(r) != nil {
			t.Errorf("record %q can be read once only", r)
		}
	})
}
