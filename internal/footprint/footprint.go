// Package footprint keeps the memory of the process close to what it needs: it
// gives back what only the start has needed, and bounds what the garbage collector
// keeps in reserve.
//
// It knows nothing of the operator.
package footprint

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// reserve is how much garbage may gather before it is collected, in bytes, when
	// what is in use is larger. Go's own default is as much as is in use: with many
	// objects in the caches it would double their cost.
	reserve = 64 << 20
	// minPercent bounds the work of the garbage collector: below it, what is in use is
	// gone through too often.
	minPercent = 25
	// defaultPercent is Go's own.
	defaultPercent = 100
)

// percent is the GOGC for so many bytes in use.
func percent(live uint64) int {
	if live <= reserve {
		return defaultPercent
	}
	return max(int(reserve*defaultPercent/live), minPercent)
}

// Keeper keeps the process small (manager.Runnable).
type Keeper struct {
	// Synced reports whether the caches are filled, which is the end of the start.
	Synced func(ctx context.Context) bool
}

// NeedLeaderElection says that a replica that waits to lead is kept small, too.
func (Keeper) NeedLeaderElection() bool { return false }

// firstLook is how long after the caches are filled the start counts as over. It is
// looked again after ever twice as long, up to the lastLook, since with many objects
// there is work for longer.
const (
	firstLook = 2 * time.Second
	lastLook  = 2 * time.Minute
)

// Start runs until ctx ends. Whoever sets the environment's GOGC has decided
// about the garbage collector; nothing is done about it then.
func (k Keeper) Start(ctx context.Context) error {
	for !k.Synced(ctx) {
		if !pause(ctx, time.Second) {
			return nil
		}
	}
	tuned := os.Getenv("GOGC") == ""
	for wait := firstLook; pause(ctx, wait); wait = min(2*wait, lastLook) {
		if tuned {
			debug.SetGCPercent(percent(live()))
		}
		if wait < lastLook {
			debug.FreeOSMemory()
			forgetExecutable()
		}
	}
	return nil
}

// live is how many bytes the last garbage collection has found in use.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// pause waits; false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
