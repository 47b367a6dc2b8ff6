package cloudpubsub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/metadata"
)

// lookUpTimeout bounds all questions to the metadata server together.
const lookUpTimeout = 5 * time.Second

var errNoMetadata = errors.New("this machine has no metadata server")

// askMetadata fills in what is still missing: on Google's platforms the metadata server knows it. A project there
// must be; without an account pushes carry no token.
func (s *settings) askMetadata(ctx context.Context) error {
	wantsProject, wantsAccount := s.project.value == "", s.account.value == "" && !s.noOIDC
	if !wantsProject && !wantsAccount {
		return nil
	}
	var projectErr, accountErr error
	err := withMetadata(ctx, func(ctx context.Context, c *metadata.Client) {
		if wantsProject {
			projectErr = ask(ctx, c, "project/project-id", checkProject, &s.project)
		}
		if wantsAccount {
			accountErr = ask(ctx, c, "instance/service-accounts/default/email", checkAccount, &s.account)
		}
	})
	if _, none := errors.AsType[metadata.NotDefinedError](accountErr); none {
		accountErr = nil
	}
	if err != nil && wantsProject {
		projectErr = err
	}
	return errors.Join(missing("project", "WithProject or "+envProject, projectErr),
		missing("service account", "WithServiceAccount or "+envAccount+", or give up tokens by WithoutOIDC", accountErr))
}

func missing(what, remedy string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("no %s: set it by %s (%w)", what, remedy, err)
}

// withMetadata calls f with a client of the metadata server, if there is one.
func withMetadata(ctx context.Context, f func(context.Context, *metadata.Client)) error {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	conns := &http.Transport{}
	defer conns.CloseIdleConnections()
	client := metadata.NewClient(&http.Client{Transport: conns})
	if !client.OnGCEWithContext(ctx) {
		if err := ctx.Err(); err != nil {
			return err
		}
		return errNoMetadata
	}
	f(ctx, client)
	return nil
}

func ask(ctx context.Context, c *metadata.Client, path string, check func(string) error, into *value) error {
	found, err := get(ctx, c, path)
	if err == nil {
		err = check(found)
	}
	if err == nil {
		*into = value{found, "metadata server"}
	}
	return err
}

func get(ctx context.Context, c *metadata.Client, path string) (string, error) {
	s, err := c.GetWithContext(ctx, path) // methods by name would keep the answer for the whole process
	return strings.TrimSpace(s), err
}

// agent is Pub/Sub's own service account in a project, which is named after the project's number.
type agent struct {
	project string

	mu     sync.Mutex
	number int64 // 0: not known yet
}

// account returns its e-mail address. The metadata server knows the number of the project that the program runs in,
// and of no other.
func (a *agent) account(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.number != 0 {
		return agentAccount(strconv.FormatInt(a.number, 10)), nil
	}
	var here, number string
	var errs [2]error
	err := withMetadata(ctx, func(ctx context.Context, c *metadata.Client) {
		here, errs[0] = get(ctx, c, "project/project-id")
		number, errs[1] = get(ctx, c, "project/numeric-project-id")
	})
	if err := errors.Join(err, errs[0], errs[1]); err != nil {
		return "", err
	}
	if here != a.project {
		return "", fmt.Errorf("this program runs in project %q", here)
	}
	if a.number, err = strconv.ParseInt(number, 10, 64); err != nil {
		return "", err
	}
	return agentAccount(number), nil
}

func agentAccount(number string) string {
	return "service-" + number + "@gcp-sa-pubsub.iam.gserviceaccount.com"
}
