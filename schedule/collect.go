package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

func newSyncing(app *tasks.App) (*syncing, error) {
	if app == nil {
		return nil, fmt.Errorf("%w: the App is nil", tasks.ErrInvalid)
	}
	cfg := app.Config()
	if cfg.Scheduler == nil {
		return nil, tasks.ErrNoScheduler
	}
	if cfg.Name == "" {
		return nil, fmt.Errorf("%w: Config.Name is empty, so that nothing could be told from another App's", ErrNothingToSync)
	}
	s := &syncing{cfg: cfg, scheduler: cfg.Scheduler, found: map[string]*transport.Job{}}
	if a, err := transport.SchedulerAs[transport.PushAuthorizer](cfg.Scheduler); err == nil {
		s.account = a.PushServiceAccount()
		s.noAccount = s.account == ""
	}
	s.creator, _ = transport.SchedulerAs[transport.JobCreator](cfg.Scheduler)
	_, remote := transport.SchedulerAs[transport.JobDeclarer](cfg.Scheduler)
	s.local = remote == nil
	return s, s.want(app)
}

// want collects what the code says. It fails rather than leave out what is registered: that would be deleted.
func (s *syncing) want(app *tasks.App) error {
	found := false
	var errs []error
	for def := range app.Definitions() {
		spec := def.Spec()
		if spec.Kind != tasks.KindPeriodic {
			continue
		}
		found = true
		bound, _ := def.(interface {
			App(context.Context) (*tasks.App, error)
			Resolved(*tasks.App) any
		})
		e, ok := bound.Resolved(app).(*entry)
		if !ok {
			_, err := bound.App(app.Context(context.Background())) // none while it is being registered
			errs = append(errs, fmt.Errorf("periodic %q: %w", spec.Name, cmp.Or(err, tasks.ErrNotRegistered)))
			continue
		}
		if e.seconds > 0 && !s.local {
			errs = append(errs, fmt.Errorf("periodic %q: %w: schedule.Interval of %s is for development, and Cloud Scheduler knows no seconds: give it whole minutes",
				spec.Name, tasks.ErrInvalid, span(e.seconds)))
		}
		s.wanted = append(s.wanted, e.job)
	}
	switch {
	case !found:
		return fmt.Errorf("%w: the App %q has no periodic tasks: register them first", ErrNothingToSync, s.cfg.Name)
	case !s.local && s.cfg.Audience == "" && s.cfg.Endpoint == localEndpoint:
		errs = append(errs, fmt.Errorf("%w: Config.Endpoint is empty: set the URL where the scheduler is to post", tasks.ErrInvalid))
	}
	return errors.Join(errs...)
}

// localEndpoint stands in for an Endpoint where tasks never leave the process.
const localEndpoint = "http://localhost"

// collect finds what there is, and what of it is obsolete. Nothing is done before that is known.
func (s *syncing) collect(ctx context.Context) error {
	declared := map[string]bool{}
	for _, j := range s.wanted {
		declared[j.Name] = true
	}
	for j, err := range s.scheduler.Jobs(ctx) {
		if err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		name := transport.ResourceID(j.Name)
		if _, again := s.found[name]; again { // a list that changes while its pages are read
			continue
		}
		s.found[name] = j
		if !declared[name] && isOurs(s.cfg, name, j.URL) {
			s.obsolete = append(s.obsolete, name)
		}
	}
	slices.Sort(s.obsolete)
	return nil
}

// isOurs reports whether a job can only be this App's: by its name, and where it is posted to.
func isOurs(cfg tasks.Config, name, target string) bool {
	task, ok := strings.CutPrefix(name, prefix(cfg))
	if !ok || task == "" {
		return false
	}
	at, ok := under(cfg.Endpoint, target)
	if !ok {
		return false
	}
	delimiter := legal(cfg.Delimiter)
	before := len(name) - len(task) - len(delimiter)
	if strings.Index(name, delimiter) == before && strings.LastIndex(name, delimiter) == before {
		return true
	}
	// The name may also be read as that of an App with another name, shop--admin beside shop.
	return legal(path.Base(at)) == task
}

// under reports whether target is the endpoint or below it, as a server would read both, and returns target's path.
func under(endpoint, target string) (at string, ok bool) {
	e, err := url.Parse(endpoint)
	if err != nil {
		return "", false
	}
	t, err := url.Parse(target)
	if err != nil || t.Scheme != e.Scheme || !strings.EqualFold(t.Host, e.Host) {
		return "", false
	}
	root, at := path.Clean("/"+e.Path), path.Clean("/"+t.Path)
	return at, at == root || strings.HasPrefix(at, strings.TrimSuffix(root, "/")+"/")
}
