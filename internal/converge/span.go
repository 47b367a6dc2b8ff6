package converge

import (
	"strings"
	"time"
)

// Span writes a duration without the units of which there are none: 3m, not 3m0s. time.ParseDuration reads it.
func Span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
