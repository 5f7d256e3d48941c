// Package race tells tests whether the race detector is on.
package race

import "testing"

// Pointless skips a simulation in one goroutine when the race detector is on, which
// makes it ten times as long and has nothing to find. `make test` runs it without.
func Pointless(t testing.TB) {
	t.Helper()
	if Enabled {
		t.Skip("in one goroutine: run without -race")
	}
}
