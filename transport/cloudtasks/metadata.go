package cloudtasks

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

// askMetadata fills in what is still missing: on Google's platforms the metadata server knows it. The error
// names all that stays missing and how to set it.
func (s *settings) askMetadata(ctx context.Context) error {
	wanted := []*wanted{
		{what: "project", option: "WithProject", variable: envProject, into: &s.project, find: projectID, check: checkProject},
		{what: "location", option: "WithLocation", variable: envLocation, into: &s.location, find: region, check: checkLocation},
	}
	if !s.noOIDC {
		wanted = append(wanted, accountWanted(s))
	}
	missing := wanted[:0]
	for _, w := range wanted {
		if w.into.value == "" {
			missing = append(missing, w)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	conns := &http.Transport{}
	defer conns.CloseIdleConnections()
	client := metadata.NewClient(&http.Client{Transport: conns})

	if !client.OnGCEWithContext(ctx) {
		for _, w := range missing {
			if w.err = ctx.Err(); w.err == nil {
				w.err = errors.New("this machine has no metadata server")
			}
		}
		return errors.Join(problems(missing)...)
	}
	var all sync.WaitGroup
	for _, w := range missing {
		all.Go(func() { w.ask(ctx, client) })
	}
	all.Wait()
	return errors.Join(problems(missing)...)
}

func accountWanted(s *settings) *wanted {
	return &wanted{
		what: "service account", option: "WithServiceAccount", variable: envAccount, otherwise: ", or give up tokens by WithoutOIDC",
		into: &s.account, find: serviceAccount, check: checkAccount,
	}
}

// wanted is one thing to ask for.
type wanted struct {
	what, option, variable, otherwise string

	into  *value
	find  func(context.Context, *metadata.Client) (string, error)
	check func(string) error
	err   error
}

func (w *wanted) ask(ctx context.Context, c *metadata.Client) {
	found, err := w.find(ctx, c)
	if err == nil {
		err = w.check(found)
	}
	if w.err = err; err == nil {
		*w.into = value{found, "metadata server"}
	}
}

func problems(missing []*wanted) (errs []error) {
	for _, w := range missing {
		if w.err != nil {
			errs = append(errs, fmt.Errorf("no %s: set it by %s or %s%s (%w)", w.what, w.option, w.variable, w.otherwise, w.err))
		}
	}
	return errs
}

func projectID(ctx context.Context, c *metadata.Client) (string, error) {
	return get(ctx, c, "project/project-id") // the client's own method would keep the answer for the whole process
}

func serviceAccount(ctx context.Context, c *metadata.Client) (string, error) {
	return get(ctx, c, "instance/service-accounts/default/email")
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
	s, err := c.GetWithContext(ctx, path)
	return strings.TrimSpace(s), err
}
