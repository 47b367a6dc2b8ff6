package tasks_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

type (
	enqByMethod    struct{ A int }
	enqByPointer   struct{ A int }
	enqPanicking   struct{ Name *string }
	enqPage[T any] struct{ Items []T }
	enqCount       int
	enqList        []enqMail
)

func (enqByMethod) TaskName() string    { return "mail.send" }
func (*enqByPointer) TaskName() string  { return "by-pointer" }
func (p enqPanicking) TaskName() string { return *p.Name }

func TestNew_WithoutName_TakesThePayloads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  string
		def  tasks.Definition
		want string
	}{
		{"a struct's name", tasks.New(enqDone[enqMail]), "enqMail"},
		{"a pointer's element's name", tasks.New(enqDone[*enqMail]), "enqMail"},
		{"a named scalar's", tasks.New(enqDone[enqCount]), "enqCount"},
		{"a named slice's", tasks.New(enqDone[enqList]), "enqList"},
		{"another package's type's", tasks.New(enqDone[time.Time]), "Time"},
		{"TaskName's", tasks.New(enqDone[enqByMethod]), "mail.send"},
		{"TaskName's of a pointer to one", tasks.New(enqDone[*enqByMethod]), "mail.send"},
		{"TaskName's on a pointer receiver", tasks.New(enqDone[enqByPointer]), "by-pointer"},
		{"WithName's over TaskName's", tasks.New(enqDone[enqByMethod], tasks.WithName("other")), "other"},
		{"none of a generic type", tasks.New(enqDone[enqPage[int]]), ""},
		{"none of a built-in type", tasks.New(enqDone[string]), ""},
		{"none of a slice", tasks.New(enqDone[[]enqMail]), ""},
		{"none of a pointer to a pointer", tasks.New(enqDone[**enqMail]), ""},
		{"none of an unnamed struct", tasks.New(enqDone[struct{ A int }]), ""},
		{"none of any", tasks.New(enqDone[any]), ""},
		{"none where TaskName panics", tasks.New(enqDone[enqPanicking]), ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			if got := c.def.Spec().Name; got != c.want {
				t.Errorf("name is %q, want %q", got, c.want)
			}
		})
	}
}

func TestSpec_DescribesTheDefinition(t *testing.T) {
	t.Parallel()
	s := tasks.New(enqDone[enqMail], tasks.WithName("mail"), tasks.WithAliases("post", "letter"),
		tasks.OnQueue("slow"), tasks.WithTimeout(time.Minute)).Spec()
	if s.Kind != tasks.KindTask || s.Name != "mail" || s.Path != "mail" || s.Queue != "slow" || s.Timeout != time.Minute || s.Err != nil ||
		s.Payload != reflect.TypeFor[enqMail]() || strings.Join(s.Aliases, " ") != "post letter" {
		t.Errorf("Spec is %+v", s)
	}
	s.Aliases[0] = "changed"
	if again := tasks.New(enqDone[enqMail]).Spec(); len(again.Aliases) != 0 {
		t.Errorf("aliases of another definition: %q", again.Aliases)
	}
}

func TestNew_KeepsNoSliceOfTheCallers(t *testing.T) {
	t.Parallel()
	aliases := []string{"post"}
	task := tasks.New(enqDone[enqMail], tasks.WithAliases(aliases...))
	aliases[0] = "changed"
	task.Spec().Aliases[0] = "changed too"
	if got := task.Spec().Aliases[0]; got != "post" {
		t.Errorf("alias is %q, want %q", got, "post")
	}
}

// enqHandmade is a Definition as another package makes them.
type enqHandmade struct {
	tasks.Binding
	spec tasks.Spec
}

func (d *enqHandmade) Spec() tasks.Spec { return d.spec }

func TestDefinition_OfAnotherPackage_IsRegisteredAndBound(t *testing.T) {
	t.Parallel()
	bad := &enqHandmade{spec: tasks.Spec{Kind: tasks.KindPublisher, Name: "orders", Err: errors.New("no topic: set one")}}
	enqSays(t, enqApp(t, tasks.Config{Transport: &enqFake{}}).Register(bad), `publisher "orders": no topic: set one`)

	d := &enqHandmade{spec: tasks.Spec{Kind: tasks.KindPublisher, Name: "orders"}}
	audit := &enqHandmade{spec: tasks.Spec{Kind: tasks.KindSubscriber, Name: "audit", Path: "audit", Handle: func(_ context.Context, d *transport.Delivery) (any, error) {
		return "seen " + string(d.Message.Data), nil
	}}}
	app := enqApp(t, tasks.Config{Transport: &enqFake{}}, d, audit, tasks.New(enqDone[enqMail], tasks.WithName("audit")))
	push := []byte(`{"message": {"messageId": "1", "data": "NDI="}, "subscription": "projects/p/subscriptions/audit"}`)
	if status, answer := enqPush(app, "/_tasks/subscriptions/audit", push); status != http.StatusOK || !strings.Contains(answer, `"seen 42"`) {
		t.Errorf("the subscriber answers %d %s", status, answer)
	}
	if got := enqMust(d.App(context.Background()))(t); got != app {
		t.Errorf("it belongs to %p, want %p", got, app)
	}
}
