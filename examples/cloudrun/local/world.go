package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/typedtasks/typedtasks/examples/cloudrun/service"
	"github.com/typedtasks/typedtasks/examples/internal/shop"
	"github.com/typedtasks/typedtasks/examples/internal/tour"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
	"github.com/typedtasks/typedtasks/transport/cloudtasks"
	"github.com/typedtasks/typedtasks/transport/emulator"
	"github.com/typedtasks/typedtasks/transport/oidc"
)

// What on Google Cloud is set up once.
const (
	project  = "shop-project"
	location = "europe-west1"
	queue    = "shop"
	account  = "shop-tasks@" + project + ".iam.gserviceaccount.com"
)

// world is what Google Cloud would be: Cloud Tasks, the keys of its tokens, and the service that it calls.
type world struct {
	url   string // of the service
	tasks string // host:port of Cloud Tasks

	emulator *emulator.Emulator
	keys     *http.Server
	service  *service.Service

	stopService context.CancelFunc
	running     sync.WaitGroup
	failed      error // of the service; to be read once it has ended
}

// open starts all of it on free ports of this machine.
func open(ctx context.Context, j *tour.Journal, logger *slog.Logger, opts ...emulator.Option) (*world, error) {
	w := &world{stopService: func() {}}
	if err := w.start(ctx, j, logger, opts); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) start(ctx context.Context, j *tour.Journal, logger *slog.Logger, opts []emulator.Option) (err error) {
	opts = append(opts, emulator.WithLogger(logger),
		emulator.WithQueues("projects/"+project+"/locations/"+location+"/queues/"+queue))
	if w.emulator, err = emulator.New(opts...); err != nil {
		return err
	}
	if w.tasks, err = w.emulator.Start(); err != nil {
		return err
	}
	certs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.keys = &http.Server{Handler: w.emulator.Handler(), ReadHeaderTimeout: time.Second}
	w.running.Go(func() { _ = w.keys.Serve(certs) }) // without keys, no delivery is let in

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.url = "http://" + listener.Addr().String()
	auth, err := oidc.New(oidc.Audience(w.url), oidc.ServiceAccount(account), oidc.KeysURL("http://"+certs.Addr().String()+emulator.CertsPath),
		oidc.Logger(logger))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	w.service, err = service.New(ctx, service.Config{
		Tasks: tasks.Config{Name: "shop", Endpoint: w.url + shop.Mount, Queue: queue, Quarantine: j.Quarantine},
		Transport: []cloudtasks.Option{
			cloudtasks.WithEndpoint(w.tasks), cloudtasks.WithProject(project), cloudtasks.WithLocation(location),
			cloudtasks.WithServiceAccount(account),
		},
		Auth:    auth,
		Logger:  logger,
		Refused: j.Refused,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	w.service.App.Use(j.Deliveries)
	w.service.App.UseEnqueue(j.Enqueues)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // it ends after the tour
	w.stopService = stop
	w.running.Go(func() { w.failed = w.service.Run(serving, listener) })
	return nil
}

// close ends Cloud Tasks first: it waits for the attempts in flight, and hangs up.
func (w *world) close() error {
	var errs []error
	if w.emulator != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		errs = append(errs, w.emulator.Shutdown(ctx))
	}
	if w.keys != nil {
		errs = append(errs, w.keys.Close())
	}
	w.stopService()
	w.running.Wait()
	return errors.Join(append(errs, w.failed)...)
}

// push is a delivery that the App did not enqueue. Without a token the service turns it away; so Cloud Tasks is
// asked to make it, by its own API.
func (w *world) push(ctx context.Context, path string, payload any) error {
	intruder := &tour.Tour{URL: w.url}
	if err := intruder.Post(ctx, path, payload, nil, http.StatusUnauthorized); err != nil {
		return err
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	c := w.service.App.Config()
	_, err = c.Transport.Enqueue(ctx, &transport.Task{ID: tour.PushID, Queue: c.Queue, URL: w.url + path, Audience: c.Audience, Body: body})
	return err
}
