//go:build clockoffset

// The tests build the operator with this tag to see what a wrong clock of its
// node does. No release has it.

package main

import (
	"fmt"
	"os"
	"time"

	"k8s.io/utils/clock"
)

// offsetVariable says how far the clock is ahead, as in "-30s".
const offsetVariable = "SLACK_NOTIFIER_CLOCK_OFFSET"

// wallClock is wrong by what the environment says.
func wallClock() clock.Clock {
	offset, err := time.ParseDuration(os.Getenv(offsetVariable))
	if err != nil {
		fmt.Fprintf(os.Stderr, "slack-notifier: %s: %v\n", offsetVariable, err)
		os.Exit(2)
	}
	return wrongClock{offset: offset}
}

// wrongClock tells another time of day, and waits as long as any clock.
type wrongClock struct {
	clock.RealClock
	offset time.Duration
}

// Now is off by the offset. It has no monotonic reading, as the time of another
// machine has none.
func (c wrongClock) Now() time.Time { return c.RealClock.Now().Add(c.offset).Round(0) }

// Since is measured on the wrong clock.
func (c wrongClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
