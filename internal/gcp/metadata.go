package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/metadata"
)

// lookUpTimeout bounds all questions to the metadata server together.
const lookUpTimeout = 5 * time.Second

var errNoServer = errors.New("this machine has no metadata server")

// Metadata asks the metadata server, within ctx and 5 s, and returns its answers in the order of the paths, such as
// "project/project-id".
func Metadata(ctx context.Context, paths ...string) ([]string, error) {
	answers := make([]string, len(paths))
	errs := make([]error, len(paths))
	err := withServer(ctx, func(ctx context.Context, c *metadata.Client) {
		for i, path := range paths {
			answers[i], errs[i] = get(ctx, c, path)
		}
	})
	return answers, errors.Join(append(errs, err)...)
}

// askMetadata fills in what is still missing: on Google's platforms the metadata server knows it. The error names all
// that stays missing and how to set it.
func (s *Settings) askMetadata(ctx context.Context, d Driver) error {
	var missing []*wanted
	want := func(w *wanted) {
		if w.into.Text == "" {
			missing = append(missing, w)
		}
	}
	want(&wanted{what: "project", remedy: "WithProject or " + EnvProject, into: &s.Project, find: path("project/project-id"), check: CheckProject})
	if d.Regional {
		want(&wanted{what: "location", remedy: "WithLocation or " + EnvLocation, into: &s.Location, find: region, check: CheckLocation})
	}
	if !s.NoOIDC {
		remedy := "WithServiceAccount or " + EnvAccount
		if d.WithoutOIDC {
			remedy += ", or give up tokens by WithoutOIDC"
		}
		want(&wanted{what: "service account", remedy: remedy, optional: d.AccountOptional,
			into: &s.Account, find: path("instance/service-accounts/default/email"), check: CheckAccount})
	}
	if len(missing) == 0 {
		return nil
	}
	err := withServer(ctx, func(ctx context.Context, c *metadata.Client) {
		var all sync.WaitGroup
		for _, w := range missing {
			all.Go(func() { w.ask(ctx, c) })
		}
		all.Wait()
	})
	var errs []error
	for _, w := range missing {
		if err != nil && !w.optional {
			w.err = err
		}
		if w.err != nil {
			errs = append(errs, fmt.Errorf("no %s: set it by %s (%w)", w.what, w.remedy, w.err))
		}
	}
	return errors.Join(errs...)
}

// wanted is one thing to ask for.
type wanted struct {
	what, remedy string
	optional     bool // nothing is wrong where there is none

	into  *Value
	find  func(context.Context, *metadata.Client) (string, error)
	check func(string) error
	err   error
}

func (w *wanted) ask(ctx context.Context, c *metadata.Client) {
	found, err := w.find(ctx, c)
	if _, none := errors.AsType[metadata.NotDefinedError](err); none && w.optional {
		return
	}
	if err == nil {
		err = w.check(found)
	}
	if w.err = err; err == nil {
		*w.into = Value{found, "metadata server"}
	}
}

// withServer calls f with a client of the metadata server, if there is one.
func withServer(ctx context.Context, f func(context.Context, *metadata.Client)) error {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	conns := &http.Transport{}
	defer conns.CloseIdleConnections()
	client := metadata.NewClient(&http.Client{Transport: conns})
	if !client.OnGCEWithContext(ctx) {
		if err := ctx.Err(); err != nil {
			return err
		}
		return errNoServer
	}
	f(ctx, client)
	return nil
}

func path(p string) func(context.Context, *metadata.Client) (string, error) {
	return func(ctx context.Context, c *metadata.Client) (string, error) { return get(ctx, c, p) }
}

// region is asked for as Cloud Run and Functions know it, else made of the zone: "europe-west1-b" is in
// "europe-west1".
func region(ctx context.Context, c *metadata.Client) (string, error) {
	path, err := get(ctx, c, "instance/region")
	if err == nil {
		return path[strings.LastIndexByte(path, '/')+1:], nil
	}
	zone, zoneErr := get(ctx, c, "instance/zone")
	if zoneErr != nil {
		return "", fmt.Errorf("%w; %w", err, zoneErr)
	}
	zone = zone[strings.LastIndexByte(zone, '/')+1:]
	return zone[:max(strings.LastIndexByte(zone, '-'), 0)], nil
}

func get(ctx context.Context, c *metadata.Client, path string) (string, error) {
	s, err := c.GetWithContext(ctx, path) // methods by name would keep the answer for the whole process
	return strings.TrimSpace(s), err
}
