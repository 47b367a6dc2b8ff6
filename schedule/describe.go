package schedule

import (
	"fmt"
	"reflect"

	"github.com/typedtasks/typedtasks/tasks"
	"github.com/typedtasks/typedtasks/transport"
)

// Describe returns the job that a periodic task has under cfg, which has its defaults filled in, as App.Config returns
// it: what [Sync] would put. The payload is encoded, not validated. It is for test kits and tools, and its result the
// caller's own. The error says what is wrong with the definition, or that d is no periodic task; it matches
// tasks.ErrInvalid where d is nil.
func Describe(cfg tasks.Config, d tasks.Definition) (*transport.Job, error) {
	if v := reflect.ValueOf(d); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("schedule: describe: %w: the definition is nil", tasks.ErrInvalid)
	}
	s := d.Spec()
	p, ok := d.(interface{ definition() *definition })
	if !ok {
		return nil, fmt.Errorf("schedule: %s %q is no periodic task", s.Kind, s.Name)
	}
	if s.Err != nil {
		return nil, fmt.Errorf("schedule: %s: %w", s.Name, s.Err)
	}
	job, err := p.definition().job(cfg, s)
	if err != nil {
		return nil, fmt.Errorf("schedule: %s: %w", s.Name, err)
	}
	return job, nil
}
