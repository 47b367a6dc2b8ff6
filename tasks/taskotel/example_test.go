package taskotel_test

import (
	"context"
	"fmt"
	"log"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/tasks/taskotel"
)

type Receipt struct {
	Order int `json:"order"`
}

// The spans of a task, in the order in which they end. Programs use otel.SetTracerProvider, and an exporter that sends.
func Example() {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))

	sendReceipt := tasks.New(func(context.Context, Receipt) error { return nil }, tasks.OnQueue("mail"))
	app, err := tasks.NewApp(tasks.Config{Name: "shop", Eager: true})
	if err != nil {
		log.Fatal(err)
	}
	if err := taskotel.Instrument(app, taskotel.WithTracerProvider(provider)); err != nil {
		log.Fatal(err)
	}
	if err := app.Register(sendReceipt); err != nil {
		log.Fatal(err)
	}

	if _, err := sendReceipt.Enqueue(context.Background(), Receipt{Order: 7}); err != nil {
		log.Fatal(err)
	}
	spans := exporter.GetSpans()
	for _, s := range spans {
		fmt.Println(s.SpanKind, s.Name)
	}
	fmt.Println("one trace:", spans[0].SpanContext.TraceID() == spans[1].SpanContext.TraceID())
	fmt.Println("the run is the enqueue's child:", spans[0].Parent.SpanID() == spans[1].SpanContext.SpanID())
	// Output:
	// consumer process mail
	// producer send mail
	// one trace: true
	// the run is the enqueue's child: true
}
