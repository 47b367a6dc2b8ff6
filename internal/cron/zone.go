package cron

import (
	"fmt"
	"strings"
	"time"
)

// LoadZone finds a time zone by its name in the tz database; "" is UTC. Local and files that only lie beside the
// database are refused: what they are depends on the machine.
func LoadZone(name string) (*time.Location, error) { return loadZone(name, time.LoadLocation) }

func loadZone(name string, load func(string) (*time.Location, error)) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if isMachines(name) {
		return nil, fmt.Errorf("time zone %q depends on the machine: give a name of the tz database, such as America/Sao_Paulo", name)
	}
	zone, err := load(name)
	if err == nil {
		return zone, nil
	}
	// What load says does not tell a name that is unknown from a database that is.
	if _, err := load("Europe/London"); err != nil {
		return nil, fmt.Errorf("time zone %q: this machine has no tz database: import time/tzdata in the program, or install the database: %w", name, err)
	}
	return nil, fmt.Errorf("time zone %q is none of the tz database, whose names are like America/Sao_Paulo and UTC", name)
}

func isMachines(name string) bool {
	return name == "Local" || name == "localtime" || name == "posixrules" ||
		strings.HasPrefix(name, "posix/") || strings.HasPrefix(name, "right/")
}
