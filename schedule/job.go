package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/typedtasks/typedtasks/internal/payload"
	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// entry is a periodic task under one App.
type entry struct {
	job     *transport.Job // shared, never changed
	seconds time.Duration  // its Interval, where that is for development only; 0: it is not
}

// Conflict refuses a second task of one job: see tasks.Spec.
func (e *entry) Conflict(other any, whose string) error {
	with, ok := other.(*entry)
	if !ok || with.job.Name != e.job.Name {
		return nil
	}
	return fmt.Errorf("the job %q is that of %s already: choose another name with schedule.Task(tasks.WithName(...))", e.job.Name, whose)
}

// resolve is the task under an App, with all that is wrong with it there.
func (d *definition) resolve(app *tasks.App, s tasks.Spec) (*entry, error) {
	v, given := d.boxed()
	if err := app.Validate(v); err != nil {
		if !given {
			return nil, fmt.Errorf("its payload would be a %s of zero value, which is not valid: give it one with WithPayload: %w", d.typ, err)
		}
		return nil, fmt.Errorf("WithPayload: %w", err)
	}
	job, err := d.job(app.Config(), s)
	if err != nil {
		return nil, err
	}
	e := &entry{job: job}
	if d.schedule.SubMinute() {
		e.seconds, _ = d.schedule.Interval()
	}
	return e, nil
}

// start declares the job where the scheduler is in this process.
func start(app *tasks.App, resolved any) error {
	local, err := transport.SchedulerAs[transport.JobDeclarer](app.Config().Scheduler)
	if err != nil {
		return nil // Sync is for that one
	}
	e, ok := resolved.(*entry)
	if !ok {
		return tasks.ErrNotRegistered
	}
	return local.DeclareJob(e.job)
}

// job is the task's job under a configuration whose defaults are filled in.
func (d *definition) job(cfg tasks.Config, s tasks.Spec) (*transport.Job, error) {
	if cfg.Codec == nil {
		cfg.Codec = tasks.JSONCodec{}
	}
	v, _ := d.boxed()
	body, err := payload.Encode(cfg.Codec, v)
	if err != nil {
		return nil, fmt.Errorf("the payload: %w", err)
	}
	j := &transport.Job{
		Name: jobName(cfg, s.Name), Description: d.description, Schedule: d.schedule.String(), TimeZone: d.zone,
		URL: cfg.Endpoint + "/" + cfg.TasksPath + "/" + s.Path, Header: http.Header{}, Body: body,
		Deadline: s.Timeout, Method: http.MethodPost,
	}
	if j.TimeZone == "" {
		j.TimeZone = "UTC"
	}
	if !d.noOIDC {
		j.Audience = cfg.Audience
	}
	for name, vs := range s.Header {
		j.Header[name] = append([]string(nil), vs...)
	}
	if _, set := j.Header[headerContentType]; !set {
		j.Header[headerContentType] = []string{payload.ContentType(cfg.Codec)}
	}
	if d.retry != nil {
		r := *d.retry
		j.Retry = &r
	}
	if err := j.Check(); err != nil {
		return nil, err
	}
	return j, nil
}

// boxed is the payload, and whether one was given.
func (d *definition) boxed() (v any, given bool) {
	if p := d.payload.Load(); p != nil {
		return *p, true
	}
	return d.newBox(), false
}

const headerContentType = "Content-Type"

// jobName is the job id of a task.
func jobName(cfg tasks.Config, task string) string { return prefix(cfg) + legal(task) }

// prefix is what the names of an App's jobs begin with, empty for an App without a name. Apps of two names share none:
// where the name, or the delimiter, cannot be part of a job id as it is, a hash follows the name.
func prefix(cfg tasks.Config) string {
	if cfg.Name == "" {
		return ""
	}
	name, delimiter := legal(cfg.Name), legal(cfg.Delimiter)
	if name != cfg.Name || delimiter != cfg.Delimiter || looksHashed(name) {
		sum := sha256.Sum256([]byte(cfg.Name + cfg.Delimiter))
		name += "-" + hex.EncodeToString(sum[:hashBytes])
	}
	return name + delimiter
}

const hashBytes = 4

// looksHashed reports whether a name could be what becomes of another: "-" and a hash at its end.
func looksHashed(name string) bool {
	at := len(name) - 2*hashBytes - 1
	return at >= 0 && name[at] == '-' && strings.Trim(name[at+1:], "0123456789abcdef") == ""
}

// legal makes a job id, or a part of one, of a name: what is not allowed becomes a hyphen.
func legal(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && transport.CheckJob(string(r)) == nil {
			return r
		}
		return '-'
	}, name)
}
