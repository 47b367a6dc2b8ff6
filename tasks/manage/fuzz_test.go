package manage_test

import (
	"testing"
	"testing/synctest"
)

// FuzzEnqueue_AnyFlags checks that whatever is typed is taken or refused before anything leaves, and printed safely.
func FuzzEnqueue_AnyFlags(f *testing.F) {
	f.Add("Welcome", ana, "X-A=1", "2030-01-31T09:00:00Z", "id", "mail")
	f.Add("SendWelcome", `{"user_id":1e99}`, "=", "", "", "no_queue")
	f.Add("Nightly", "\x1b[2J", "X-A\r\n=1", "2030-02-31T09:00:00Z", "\xff", "")
	f.Add("", `{"a":`, "a=b=c", "now", "a/b", "-")
	f.Add("Welcom", "null", "Host=x", "9999-12-31T23:59:59Z", "x", "queue")
	f.Fuzz(func(t *testing.T, name, data, header, at, id, queue string) {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(t)
			if len(data) > 0 && (data[0] == '@' || data == "-") {
				return // files and standard input hold anything
			}
			e := run(t, s.app, "enqueue", "--dry-run", "--data="+data, "--header="+header, "--at="+at, "--id="+id, "--queue="+queue, "--", name)
			if e.code != 0 && e.code != 2 {
				t.Errorf("ended with %d: %v", e.code, e.cause)
			}
			if got := s.written(); len(got) > 0 {
				t.Errorf("wrote %q", got)
			}
			safe(t, "standard output", e.out)
			safe(t, "standard error", e.err)
		})
	})
}
