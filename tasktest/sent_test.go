package tasktest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/typedtasks/typedtasks/pubsub"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasktest"
	"github.com/typedtasks/typedtasks/transport"
)

func TestRequirePublished_One_ReturnsItTyped(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	rec.Advance(time.Hour)
	id := publish(t, traced(rec.Context(), "00-a"), p, Paid{Order: 7, Note: "x"}, pubsub.Attribute("region", "emea"), pubsub.OrderingKey("ana"))
	at := rec.Now()
	rec.Advance(time.Hour)

	got := tasktest.RequirePublished(t, rec, p)
	if got.Message != (Paid{7, "x"}) || got.Attributes["region"] != "emea" || len(got.Attributes) != 1 || got.OrderingKey != "ana" {
		t.Errorf("got %+v", got)
	}
	if got.Topic != "orders" || got.ID != id || id == "" || !got.PublishTime.Equal(at) || got.Header.Get("traceparent") != "00-a" {
		t.Errorf("got %+v, want id %q to orders at %s", got, id, at)
	}
}

func TestRequirePublished_NoneMatches_ShowsNearestAndRecorded(t *testing.T) {
	t.Parallel()
	p, order := paid(), tasks.New(nothing[Order])
	rec := tasktest.New(t, p, order)
	publish(t, rec.Context(), p, Paid{Order: 8, Note: "x"}, pubsub.Attribute("region", "apac"), pubsub.Attribute("by", "a b"))
	enqueue(t, rec.Context(), order, Order{1}, tasks.WithID("o1"))
	publish(t, traced(rec.Context(), "00-a"), p, Paid{Order: 8}, pubsub.OrderingKey("ana"))

	equalText(t, mustFail(t, func(t testing.TB) {
		tasktest.RequirePublished(t, rec, p, tasktest.Args(Paid{Order: 7}), tasktest.WithAttribute("region", "emea"), tasktest.OnTopic("orders"))
	}), `
		tasktest: no OrderPaid was published
		with
		    Args({"order":7})
		    WithAttribute("region", "emea")
		    OnTopic("orders")
		nearest
		    #3 Order             got 8, want 7
		       attribute region  got none, want "emea"
		    #1 Order             got 8, want 7
		       Note              got "x", want ""
		       attribute region  got "apac", want "emea"
		recorded
		    #1 OrderPaid {"order":8,"note":"x"} to "orders", by="a b" region="apac", id 1
		    #2 Order {"id":1} on "tasks", id o1
		    #3 OrderPaid {"order":8,"_http_headers":{"traceparent":"00-a"}} to "orders", ordering key "ana", id 1
	`)
}

func TestRequirePublished_EveryMatcherMisses_SaysWhatEachWants(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	publish(t, traced(rec.Context(), "00-a"), p, Paid{Order: 8}, pubsub.OrderingKey("ana"))
	got := mustFail(t, func(t testing.TB) {
		tasktest.RequirePublished(t, rec, p, tasktest.WithID("77"), tasktest.OnTopic("projects/p/topics/bills"), tasktest.WithOrderingKey(""),
			tasktest.WithHeader("Traceparent", "00-b"), tasktest.WithHeader("X-Tenant", "acme"))
	})
	before, _, _ := strings.Cut(got, "recorded")
	equalText(t, strings.TrimSuffix(before, "\n"), `
		tasktest: no OrderPaid was published
		with
		    WithID("77")
		    OnTopic("projects/p/topics/bills")
		    WithOrderingKey("")
		    WithHeader("Traceparent", "00-b")
		    WithHeader("X-Tenant", "acme")
		nearest
		    #1 id                  got "1", want "77"
		       topic               got "orders", want "projects/p/topics/bills"
		       ordering key        got "ana", want ""
		       header Traceparent  got "00-a", want "00-b"
		       header X-Tenant     got none, want "acme"
	`)
}

func TestRequirePublished_NothingRecorded_SaysWhatCounts(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	equalText(t, mustFail(t, func(t testing.TB) { tasktest.RequirePublished(t, rec, p) }), `
		tasktest: no OrderPaid was published
		recorded
		    nothing (what counts is enqueued or published under rec.Context())
	`)
}

func TestRequirePublished_Counts(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	for i := range 3 {
		publish(t, rec.Context(), p, Paid{Order: i + 1}, pubsub.Attribute("even", fmt.Sprint(i%2 == 1)))
	}
	even := tasktest.WithAttribute("even", "true")
	for _, c := range []struct {
		name string
		f    func(t testing.TB)
		fail string
	}{
		{"one", func(t testing.TB) { tasktest.RequirePublished(t, rec, p, even) }, ""},
		{"several", func(t testing.TB) { tasktest.RequirePublished(t, rec, p) }, "tasktest: ambiguous: 3 of OrderPaid were published, want one: add matchers, or use RequirePublishedN\nfound\n    #1, #2, #3\nrecorded\n"},
		{"two", func(t testing.TB) {
			if all := tasktest.RequirePublishedN(t, rec, p, 2, tasktest.WithAttribute("even", "false")); all[0].Message.Order != 1 || all[1].Message.Order != 3 {
				t.Errorf("got %+v", all)
			}
		}, ""},
		{"too few", func(t testing.TB) { tasktest.RequirePublishedN(t, rec, p, 4) }, "tasktest: 3 of OrderPaid were published, want 4\nfound\n    #1, #2, #3\n"},
		{"too many", func(t testing.TB) { tasktest.RequirePublishedN(t, rec, p, 0, even) }, "tasktest: 1 of OrderPaid was published, want 0\nwith\n    WithAttribute(\"even\", \"true\")\n"},
		{"none", func(t testing.TB) { tasktest.RequireNotPublished(t, rec, p, tasktest.Args(Paid{Order: 4})) }, ""},
		{"not none", func(t testing.TB) { tasktest.RequireNotPublished(t, rec, p) }, "tasktest: 3 of OrderPaid were published, want none\n"},
	} {
		if c.fail == "" {
			mustPass(t, c.f)
		} else if got := mustFail(t, c.f); !strings.HasPrefix(got, c.fail) {
			t.Errorf("%s: got\n%s\nwant it to begin with\n%s", c.name, got, c.fail)
		}
	}
}

func TestRequirePublished_TwoPublishersOfOneTopic_KeepApart(t *testing.T) {
	t.Parallel()
	type Shipped struct {
		Order int `json:"order"`
	}
	p, q := paid(), pubsub.NewPublisher[Shipped](pubsub.WithName("OrderShipped"), pubsub.Topic("orders"))
	same := paid(pubsub.WithName("OrderPaidAgain"))
	rec := tasktest.New(t, p, q, same)
	publish(t, rec.Context(), p, Paid{Order: 1})
	publish(t, rec.Context(), q, Shipped{2})
	publish(t, rec.Context(), same, Paid{Order: 3})
	if got := tasktest.RequirePublished(t, rec, p); got.Message.Order != 1 {
		t.Errorf("got %+v", got)
	}
	if got := tasktest.RequirePublished(t, rec, q); got.Message.Order != 2 {
		t.Errorf("got %+v", got)
	}
	if got := tasktest.RequirePublished(t, rec, same); got.Message.Order != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestRequirePublished_ModelPublisher_WhateverTheTopic(t *testing.T) {
	t.Parallel()
	model := pubsub.NewModelPublisher(func(_ context.Context, o Order) (pubsub.Draft[Paid], error) {
		return pubsub.Draft[Paid]{Topic: fmt.Sprintf("orders-%d", o.ID), Data: Paid{Order: o.ID}, Attributes: map[string]string{"a": "b"}, OrderingKey: "k"}, nil
	}, pubsub.WithName("Model"))
	rec := tasktest.New(t, model)
	for i := range 2 {
		if _, err := model.Publish(rec.Context(), Order{i + 1}); err != nil {
			t.Fatal(err)
		}
	}
	prepared, err := model.Prepare(rec.Context(), Order{3})
	if err != nil {
		t.Fatal(err)
	}
	tasktest.RequireNotPublished(t, rec, model, tasktest.OnTopic("orders-3"))
	if _, err := prepared.Publish(t.Context()); err != nil { // it knows its App
		t.Fatal(err)
	}
	for i, got := range tasktest.RequirePublishedN(t, rec, model, 3) {
		if got.Message.Order != i+1 || got.Topic != fmt.Sprintf("orders-%d", i+1) || got.OrderingKey != "k" || got.Attributes["a"] != "b" {
			t.Errorf("got %+v", got)
		}
	}
	tasktest.RequirePublished(t, rec, model, tasktest.OnTopic("orders-2"))
}

func TestPublished_Later_OnceItsTaskHasRun(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	if _, err := p.Enqueue(rec.Context(), Paid{Order: 1}, pubsub.Task(tasks.In(time.Hour), tasks.WithID("later-1")), pubsub.Attribute("a", "b")); err != nil {
		t.Fatal(err)
	}
	rec.Advance(59 * time.Minute)
	tasktest.RequireNotPublished(t, rec, p)
	equalText(t, mustFail(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) }), `
		tasktest: something was enqueued that no assertion asked for: #1
		recorded
		    #1 OrderPaid {"topic":"orders","data":"eyJvcmRlciI6MX0=","attributes":{"a":"b"}} on "tasks", due in 1h, id later-1
	`)
	rec.Advance(time.Minute)
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) }), "something was published that no assertion asked for: #2\n")
	if got := tasktest.RequirePublished(t, rec, p, tasktest.Args(Paid{Order: 1}), tasktest.WithAttribute("a", "b")); !got.PublishTime.Equal(rec.Now()) {
		t.Errorf("got %+v, want it published at %s", got, rec.Now())
	}
	mustPass(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) })
}

func TestPublished_All_InOrder(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	results := p.PublishAll(rec.Context(), []Paid{{Order: 1}, {}, {Order: 3}}, pubsub.Attribute("a", "b"))
	all := tasktest.Published(rec, p)
	if len(all) != 2 || all[0].Message.Order != 1 || all[1].Message.Order != 3 || all[1].ID != results[2].Receipt.ID || results[1].Err == nil {
		t.Errorf("published %+v, results %+v", all, results)
	}
}

func TestPublished_OtherKindsOfData(t *testing.T) {
	t.Parallel()
	raw := pubsub.NewPublisher[pubsub.Raw](pubsub.WithName("Bytes"), pubsub.Topic("bytes"))
	pointer := pubsub.NewPublisher[*Paid](pubsub.WithName("Pointer"), pubsub.Topic("orders"))
	number := pubsub.NewPublisher[int](pubsub.WithName("Number"), pubsub.Topic("numbers"))
	coded := paid(pubsub.WithName("Coded"), pubsub.WithCodec(reversed{}))
	rec := tasktest.New(t, raw, pointer, number, coded)
	ctx := traced(rec.Context(), "00-a")
	publish(t, ctx, raw, pubsub.Raw(`{"any": "bytes"}`))
	publish(t, ctx, raw, nil, pubsub.Attribute("only", "this"))
	publish(t, ctx, pointer, &Paid{Order: 2})
	publish(t, ctx, number, 3)
	publish(t, ctx, coded, Paid{Order: 45})

	trace := tasktest.WithHeader("traceparent", "00-a")
	if got := tasktest.RequirePublished(t, rec, raw, tasktest.Args(pubsub.Raw(`{"any": "bytes"}`)), trace); got.Attributes["http-traceparent"] != "00-a" {
		t.Errorf("raw data with %+v", got)
	}
	if got := tasktest.RequirePublished(t, rec, raw, tasktest.WithAttribute("only", "this"), trace); len(got.Message) != 0 {
		t.Errorf("no data: got %+v", got)
	}
	if got := tasktest.RequirePublished(t, rec, pointer, tasktest.Args(&Paid{Order: 2}), trace); got.Message.Order != 2 {
		t.Errorf("a pointer: got %+v", got)
	}
	if got := tasktest.RequirePublished(t, rec, number, tasktest.Where(func(n int) bool { return n == 3 }), trace); got.Attributes["http-traceparent"] != "00-a" {
		t.Errorf("a number with %+v", got)
	}
	tasktest.RequirePublished(t, rec, coded, tasktest.Args(Paid{Order: 45}), trace)
	if got := string(rec.RecordedMessages()[4].Data); got != `}54:"redro"{` {
		t.Errorf("the codec's data is %s", got)
	}
	tasktest.RequireNothingElse(t, rec)
}

func TestPublished_WithoutPublisher_IsNobodys(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	publishRaw(t, rec, &transport.Message{Topic: "orders", Data: []byte(`{"order":1,"_http_headers":{"traceparent":"00-a"}}`)})
	publishRaw(t, rec, &transport.Message{Topic: "orders", Attributes: map[string]string{"a": strings.Repeat("é", 300)}})
	tasktest.RequireNotPublished(t, rec, p)
	got := mustFail(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) })
	equalText(t, got, `
		tasktest: something was published that no assertion asked for: #1, #2
		recorded
		    #1 a message {"order":1,"_http_headers":{"traceparent":"00-a"}} to "orders", id 1
		    #2 a message without data to "orders", a="`+strings.Repeat("é", 98)+`... (604 bytes), id 1
	`)
	if m := rec.RecordedMessages()[0]; m.Publisher != "" || m.Header.Get("Traceparent") != "00-a" {
		t.Errorf("got %+v", m)
	}
}

func TestRequireNothingElse_TasksAndMessages(t *testing.T) {
	t.Parallel()
	p, order := paid(), tasks.New(nothing[Order])
	rec := tasktest.New(t, p, order)
	publish(t, rec.Context(), p, Paid{Order: 1})
	enqueue(t, rec.Context(), order, Order{1})
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) }), "tasktest: something was enqueued and published that no assertion asked for: #1, #2\n")
	tasktest.Published(rec, p) // asks for nothing
	tasktest.RequireEnqueued(t, rec, order)
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) }), "tasktest: something was published that no assertion asked for: #1\n")
	tasktest.RequirePublishedN(t, rec, p, 1)
	mustPass(t, func(t testing.TB) { tasktest.RequireNothingElse(t, rec) })
}

func TestRecordedMessages_ListsAllTypes_AsCopies(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p, tasks.New(nothing[Order]))
	publish(t, traced(rec.Context(), "00-a"), p, Paid{Order: 1}, pubsub.Attribute("a", "b"))
	want := rec.RecordedMessages()[0]

	got := rec.RecordedMessages()[0]
	got.Data[0], got.Attributes["a"] = 'X', "X"
	got.Header.Set("Traceparent", "X")
	sent := tasktest.RequirePublished(t, rec, p)
	sent.Attributes["a"] = "X"
	sent.Header.Set("Traceparent", "X")
	if now := rec.RecordedMessages()[0]; !bytes.Equal(now.Data, want.Data) || now.Attributes["a"] != "b" || now.Header.Get("Traceparent") != "00-a" || now.Publisher != "OrderPaid" {
		t.Errorf("got %+v, want %+v", now, want)
	}
	if len(rec.Recorded()) != 0 {
		t.Errorf("tasks %v", rec.Recorded())
	}
}

func TestMessageMatchers_Accept(t *testing.T) {
	t.Parallel()
	p := paid(pubsub.Topic("projects/billing/topics/orders"))
	rec := tasktest.New(t, p)
	id := publish(t, traced(rec.Context(), "00-a"), p, Paid{Order: 1}, pubsub.Attribute("region", "emea"), pubsub.OrderingKey("ana"))
	publish(t, rec.Context(), p, Paid{Order: 2}, pubsub.Attribute("region", ""))
	for _, c := range []struct {
		name string
		m    tasktest.Matcher
		want int
	}{
		{"Args", tasktest.Args(Paid{Order: 1}), 1},
		{"Where", tasktest.Where(func(p Paid) bool { return p.Order < 3 }), 2},
		{"WithAttribute", tasktest.WithAttribute("region", "emea"), 1},
		{"WithAttribute that is empty", tasktest.WithAttribute("region", ""), 1},
		{"WithAttribute in another case", tasktest.WithAttribute("Region", "emea"), 0},
		{"WithOrderingKey", tasktest.WithOrderingKey("ana"), 1},
		{"WithOrderingKey for none", tasktest.WithOrderingKey(""), 1},
		{"OnTopic by id", tasktest.OnTopic("orders"), 2},
		{"OnTopic by name", tasktest.OnTopic("projects/billing/topics/orders"), 2},
		{"OnTopic of another project", tasktest.OnTopic("projects/shop/topics/orders"), 0},
		{"WithID", tasktest.WithID(id), 1},
		{"WithHeader", tasktest.WithHeader("TRACEPARENT", "00-a"), 1},
	} {
		mustPass(t, func(t testing.TB) { tasktest.RequirePublishedN(t, rec, p, c.want, c.m) })
		if fake := try(t, func(t testing.TB) { tasktest.RequirePublishedN(t, rec, p, c.want+1, c.m) }); len(fake.fatals) != 1 {
			t.Errorf("%s: more than %d match", c.name, c.want)
		}
	}
	for want, m := range map[string]tasktest.Matcher{
		`WithAttribute("a", "b")`: tasktest.WithAttribute("a", "b"),
		`WithOrderingKey("k")`:    tasktest.WithOrderingKey("k"),
		`OnTopic("orders")`:       tasktest.OnTopic("orders"),
	} {
		if got := m.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMatchers_ForTheOtherKind_SayWhatToUse(t *testing.T) {
	t.Parallel()
	p, order := paid(), tasks.New(nothing[Order])
	rec := tasktest.New(t, p, order)
	for want, m := range map[string]tasktest.Matcher{
		"tasktest: OrderPaid: OnQueue is for tasks: a message goes to a topic, which OnTopic asks for":                                              tasktest.OnQueue("a"),
		"tasktest: OrderPaid: DueIn is for tasks: a message is due as it is published; Advance moves the clock to when a later one is":              tasktest.DueIn(1, 1),
		"tasktest: OrderPaid: Args is made for payloads of type tasktest_test.Order, but its payloads are of type tasktest_test.Paid":               tasktest.Args(Order{1}),
		"tasktest: OrderPaid: Where is made for payloads of type *tasktest_test.Paid, but its payloads are of type tasktest_test.Paid":              tasktest.Where(func(*Paid) bool { return true }),
		"tasktest: OrderPaid: Args is made for payloads of type pubsub.Message[github.com/typedtasks/typedtasks/tasktest_test.Paid], but its paylo": tasktest.Args(pubsub.Message[Paid]{}),
	} {
		if got := mustFail(t, func(t testing.TB) { tasktest.RequireNotPublished(t, rec, p, m) }); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for want, m := range map[string]tasktest.Matcher{
		"tasktest: Order: OnTopic is for messages: a task is on a queue, which OnQueue asks for":        tasktest.OnTopic("a"),
		"tasktest: Order: WithAttribute is for messages: a task has headers, which WithHeader asks for": tasktest.WithAttribute("a", "b"),
		"tasktest: Order: WithOrderingKey is for messages: tasks keep no order":                         tasktest.WithOrderingKey("a"),
	} {
		if got := mustFail(t, func(t testing.TB) { tasktest.RequireNotEnqueued(t, rec, order, m) }); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	pointer := pubsub.NewPublisher[*Paid](pubsub.WithName("Pointer"), pubsub.Topic("orders"))
	if got, want := mustFail(t, func(t testing.TB) {
		tasktest.RequireNotPublished(t, tasktest.New(t, pointer), pointer, tasktest.Args[*Paid](nil))
	}), "tasktest: Pointer: Args is given nil, which is never published"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPublished_Unregistered_NameIt(t *testing.T) {
	t.Parallel()
	p, s := paid(), audit(ignore[Paid])
	rec := tasktest.New(t, tasks.New(nothing[Order]))
	for name, f := range map[string]func(t testing.TB){
		"RequirePublished":    func(t testing.TB) { tasktest.RequirePublished(t, rec, p) },
		"RequirePublishedN":   func(t testing.TB) { tasktest.RequirePublishedN(t, rec, p, 0) },
		"RequireNotPublished": func(t testing.TB) { tasktest.RequireNotPublished(t, rec, p) },
		"Published":           func(t testing.TB) { tasktest.Published(tasktest.New(t), p) },
	} {
		if got, want := mustFail(t, f), "tasktest: publisher OrderPaid is not registered with this recorder: pass it to tasktest.New"; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for name, f := range map[string]func(t testing.TB){
		"Deliver":     func(t testing.TB) { tasktest.Deliver(t, s, pubsub.Message[Paid]{}, tasktest.With(rec)) },
		"PushRequest": func(t testing.TB) { tasktest.PushRequest(t, s, pubsub.Message[Paid]{}, tasktest.With(rec)) },
	} {
		if got, want := mustFail(t, f), "tasktest: subscriber Audit is not registered with this recorder: pass it to tasktest.New"; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestPublished_DataThatDoesNotDecode_FailsWithIt(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	rec.App().UsePublish(func(next tasks.PublishFunc) tasks.PublishFunc {
		return func(ctx context.Context, ms []*transport.Message) []tasks.Result {
			ms[0].Data = []byte("{")
			return next(ctx, ms)
		}
	})
	publish(t, rec.Context(), p, Paid{Order: 1})
	contains(t, mustFail(t, func(t testing.TB) { tasktest.RequirePublished(t, rec, p) }),
		`tasktest: #1 OrderPaid { to "orders", id 1: the payload does not decode: `)
}

func TestPublish_ValidatesAsProductionDoes(t *testing.T) {
	t.Parallel()
	p := paid()
	rec := tasktest.New(t, p)
	if _, err := p.Publish(rec.Context(), Paid{}); err == nil {
		t.Error("no order, no error")
	}
	if _, err := p.Publish(rec.Context(), Paid{Order: 1, Note: strings.Repeat("x", transport.MaxMessageSize)}); !errors.Is(err, tasks.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	ended, cancel := context.WithCancel(rec.Context())
	cancel()
	if _, err := p.Publish(ended, Paid{Order: 1}); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `publish to topic "orders"`) {
		t.Errorf("an ended context: %v", err)
	}
	var typed *transport.Error
	_, err := rec.App().PublishMessage(rec.Context(), &transport.Message{Topic: "no/topic", Data: []byte("x")})
	if !errors.Is(err, transport.ErrInvalid) || !errors.As(err, &typed) {
		t.Errorf("a bad topic: %v", err)
	}
	tasktest.RequireNothingElse(t, rec)
	if err := rec.App().Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := rec.App().PublishMessage(t.Context(), &transport.Message{Topic: "orders", Data: []byte("x")}); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestPublish_Faults_OneListWithEnqueues(t *testing.T) {
	t.Parallel()
	p, order := paid(), tasks.New(nothing[Order])
	rec := tasktest.New(t, p, order)
	rec.FailNext(1, errBoom)
	rec.FailAfterCommit(2, errBoom)
	rec.FailNext(1, errBoom)
	var failed []bool
	for i := range 3 {
		id, err := p.Publish(rec.Context(), Paid{Order: i + 1})
		failed = append(failed, errors.Is(err, errBoom) && id == "")
		_, err = order.Enqueue(rec.Context(), Order{i + 1})
		failed = append(failed, errors.Is(err, errBoom))
	}
	if want := []bool{true, true, true, true, false, false}; !slices.Equal(failed, want) {
		t.Errorf("failed %v, want %v", failed, want)
	}
	if all := tasktest.RequirePublishedN(t, rec, p, 2); all[0].Message.Order != 2 || all[1].Message.Order != 3 {
		t.Errorf("published %+v, want 2, whose answer was lost, and 3", all)
	}
	if all := tasktest.RequireEnqueuedN(t, rec, order, 2); all[0].Args.ID != 1 || all[1].Args.ID != 3 {
		t.Errorf("enqueued %+v, want 1, whose answer was lost, and 3", all)
	}
}

func TestPublishAll_Faults_KeepOrderingKeysInOrder(t *testing.T) {
	t.Parallel()
	p := pubsub.NewPublisher[Keyed](pubsub.Topic("orders"), pubsub.WithName("Keyed"))
	rec := tasktest.New(t, p)
	rec.FailNext(1, errBoom)
	results := p.PublishAll(rec.Context(), []Keyed{{"a", 1}, {"b", 1}, {"a", 2}, {"", 1}, {"b", 2}})
	for i, failed := range []bool{true, false, true, false, false} {
		if errors.Is(results[i].Err, errBoom) != failed {
			t.Errorf("%d: %v", i, results[i].Err)
		}
	}
	contains(t, fmt.Sprint(results[2].Err), `topic "orders"`, `an earlier message of ordering key "a" failed: boom`)
	var got []Keyed
	for _, s := range tasktest.RequirePublishedN(t, rec, p, 3) {
		got = append(got, s.Message)
	}
	if want := []Keyed{{"b", 1}, {"", 1}, {"b", 2}}; !slices.Equal(got, want) {
		t.Errorf("published %v, want %v", got, want)
	}
}

// Keyed says itself what its order is kept by.
type Keyed struct {
	Key string
	N   int
}

func (k Keyed) OrderingKey() string { return k.Key }
