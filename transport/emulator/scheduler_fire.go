package emulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/scheduler/apiv1/schedulerpb"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/typedtasks/typedtasks/internal/jobs"
	"github.com/typedtasks/typedtasks/transport"
)

// jobRunner makes the attempts at jobs.
type jobRunner struct {
	client  *http.Client
	publish func(context.Context, *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error)
	tokens  *tokens
	log     *slog.Logger
	warn    warnings

	book  *jobBook
	store *store
}

// fire is one attempt, at what the job is by now.
func (r *jobRunner) fire(ctx context.Context, spec *transport.Job, run jobs.Run) error {
	j, pb := r.book.lookUp(spec.Name)
	if j == nil {
		return nil // deleted meanwhile
	}
	began := time.Now()
	outcome := r.attempt(ctx, pb, run)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // the emulator ends
	}
	r.settle(j, outcome)
	err := status.FromProto(outcome).Err()
	if r.log.Enabled(ctx, slog.LevelDebug) {
		r.log.Debug("job attempted", said("job", pb.Name, "attempt", run.Attempt, "planned", run.Planned, "by_hand", run.ByHand,
			"to", destination(pb), "took", time.Since(began), "error", err)...)
	} else if err != nil {
		r.warn.log(r.log, "attempt failed", "job", pb.Name, "attempt", run.Attempt, "to", destination(pb), "error", err)
	}
	return err
}

// settle keeps how an attempt ended, unless the job was deleted meanwhile.
func (r *jobRunner) settle(j *job, outcome *statuspb.Status) {
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	j.status = outcome
	if r.book.jobs[j.Name] == j {
		r.store.jobStatus(j.Name, outcome)
	}
}

func (r *jobRunner) attempt(ctx context.Context, pb *schedulerpb.Job, run jobs.Run) *statuspb.Status {
	if t := pb.GetPubsubTarget(); t != nil {
		message := &pubsubpb.PubsubMessage{Data: t.Data, Attributes: t.Attributes}
		_, err := r.publish(ctx, &pubsubpb.PublishRequest{Topic: t.TopicName, Messages: []*pubsubpb.PubsubMessage{message}})
		if err != nil {
			return status.Convert(err).Proto()
		}
		return &statuspb.Status{}
	}
	code, err := r.send(ctx, pb, run)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, "no answer before the attempt deadline").Proto()
	case err != nil:
		return status.New(codes.Unavailable, err.Error()).Proto()
	case code < 200 || code > 299:
		return responseStatus(code)
	default:
		return &statuspb.Status{}
	}
}

// send returns the status of the answer, of the last one where redirects were followed.
func (r *jobRunner) send(ctx context.Context, pb *schedulerpb.Job, run jobs.Run) (code int, err error) {
	t := pb.GetHttpTarget()
	var body io.Reader
	if len(t.Body) > 0 {
		body = bytes.NewReader(t.Body)
	}
	req, err := http.NewRequestWithContext(ctx, t.HttpMethod.String(), encodeURL(t.Uri), body)
	if err != nil {
		return 0, err
	}
	setJobHeaders(req.Header, pb, run)
	if err := r.authorize(req, t); err != nil {
		return 0, err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.CopyN(io.Discard, res.Body, mostAnswer); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("the answer broke off: %w", err)
	}
	return res.StatusCode, nil
}

// authorize replaces what the job set by the token that it asks for.
func (r *jobRunner) authorize(req *http.Request, t *schedulerpb.HttpTarget) error {
	var token string
	var err error
	switch a := t.AuthorizationHeader.(type) {
	case *schedulerpb.HttpTarget_OidcToken:
		audience := a.OidcToken.Audience
		if audience == "" {
			audience = t.Uri // with its query
		}
		token, err = r.tokens.token(oidcAuth, a.OidcToken.ServiceAccountEmail, audience)
	case *schedulerpb.HttpTarget_OauthToken:
		token, err = r.tokens.token(oauthAuth, a.OauthToken.ServiceAccountEmail, a.OauthToken.Scope)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// destination is where a job's attempts go to.
func destination(pb *schedulerpb.Job) string {
	if t := pb.GetPubsubTarget(); t != nil {
		return t.TopicName
	}
	return pb.GetHttpTarget().GetUri()
}
