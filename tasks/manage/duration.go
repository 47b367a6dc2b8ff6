package manage

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// duration is a flag's: seconds, such as 90 and 0.5, or Go's, such as 1m30s. Variables of the environment are read so too.
type duration time.Duration

// Set parses one.
func (d *duration) Set(text string) error {
	if sec, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(sec) || math.Abs(sec) >= math.MaxInt64/float64(time.Second) {
			return errors.New("it is out of range")
		}
		*d = duration(sec * float64(time.Second))
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("it is neither seconds, such as 90 or 0.5, nor like 1m30s")
	}
	*d = duration(v)
	return nil
}

// String is empty for none, so that no default is shown.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return span(*d).String()
}

// Type is what help calls the value.
func (d *duration) Type() string { return "duration" }
