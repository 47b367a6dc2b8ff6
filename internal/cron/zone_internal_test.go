package cron

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLoadZone_KnowsNamesOfTheDatabase(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "UTC", "UTC": "UTC", "Etc/UTC": "Etc/UTC", "America/Sao_Paulo": "America/Sao_Paulo"} {
		if zone, err := LoadZone(name); err != nil || zone.String() != want {
			t.Errorf("LoadZone(%q) = %s, %v", name, zone, err)
		}
	}
}

func TestLoadZone_RefusesTheRest(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Local":                  "depends on the machine",
		"localtime":              "depends on the machine",
		"posixrules":             "depends on the machine",
		"posix/Europe/Berlin":    "depends on the machine",
		"right/Europe/Berlin":    "depends on the machine",
		"Mars/Olympus":           "none of the tz database",
		"America":                "none of the tz database",
		"../../../../etc/passwd": "none of the tz database",
		"+03:00":                 "none of the tz database",
		" UTC":                   "none of the tz database",
	} {
		if zone, err := LoadZone(name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+name+`"`) {
			t.Errorf("LoadZone(%q) = %v, %v, want an error with %q", name, zone, err, want)
		}
	}
}

func TestLoadZone_WithoutDatabase_SaysWhatToImport(t *testing.T) {
	t.Parallel()
	errNone := errors.New("no such file")
	none := func(string) (*time.Location, error) { return nil, errNone }
	if _, err := loadZone("Europe/Berlin", none); !errors.Is(err, errNone) || !strings.Contains(err.Error(), "import time/tzdata") {
		t.Error(err)
	}
	if zone, err := loadZone("", none); err != nil || zone != time.UTC {
		t.Error(zone, err)
	}
}
