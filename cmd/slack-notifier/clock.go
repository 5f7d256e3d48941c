//go:build !clockoffset

package main

import "k8s.io/utils/clock"

// wallClock is the clock of all that this process does by the time of day.
func wallClock() clock.Clock { return clock.RealClock{} }
