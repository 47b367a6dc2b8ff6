package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/typedtasks/typedtasks/examples/internal/tour"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// tryThis is what to type while the shop is up.
const tryThis = `
Try, in another terminal:

  curl %[1]s/signup   -d '{"user_id": 7, "email": "ana@example.com"}'  # executed
  curl %[1]s/signup   -d '{"email": "ana"}'                            # rejected
  curl %[1]s/orders   -d '{"order": 17, "cents": 4200}'                # retried, then shipped
  curl %[1]s/refunds  -d '{"order": 12}'                               # snoozed
  curl %[1]s/invoices -d '{"order": 17}'                               # when repeated: duplicate
  curl %[1]s/carts    -d '{"cart": 9, "items": 0}'                     # discarded
  curl %[1]s/stock    -d '{"item": "lamp"}'                            # quarantined

A push, as Cloud Tasks sends it:

  curl %[1]s/_tasks/tasks/Welcome -d '{"user_id": 8, "email": "bo@example.com"}' -H 'X-CloudTasks-TaskName: by-hand'

Ctrl-C closes the shop.
`

// serve keeps the shop open until ctx ends.
func serve(ctx context.Context, url string, story *tour.Narrator, served <-chan error) error {
	story.Say(tryThis, url)
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		return err
	}
}

// shut takes no more requests, waits for the tasks that run, and counts those that are left waiting. They end
// with this process; on Cloud Tasks they would wait for the next.
func shut(server *http.Server, app *tasks.App) (left int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = errors.Join(server.Shutdown(ctx), app.Shutdown(ctx))
	backlog, lacking := transport.As[transport.Backlogger](app.Config().Transport)
	if lacking != nil {
		return 0, errors.Join(err, lacking)
	}
	return backlog.Backlog(), err
}
