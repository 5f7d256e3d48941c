package devcluster

import (
	"sync"
	"testing"
)

// What starts at the same time, in one process or in several, never gets the
// same port, though none of it listens yet.
func TestPortsAreHandedOutOnce(t *testing.T) {
	const processes, each, goroutines = 8, 100, 4
	var mu sync.Mutex
	owner := map[int]int{}
	var done sync.WaitGroup
	for process := range processes {
		block := &portBlock{}
		t.Cleanup(func() { _ = block.hold.Close() })
		for range goroutines {
			done.Go(func() {
				for range each {
					port, err := block.next()
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if other, given := owner[port]; given {
						t.Errorf("port %d was given to process %d, and to %d before", port, process, other)
					}
					owner[port] = process
					mu.Unlock()
				}
			})
		}
	}
	done.Wait()
}

// A port that a program listens on is not given again, when the block has been
// gone through.
func TestTakenPortIsPassedOver(t *testing.T) {
	block := &portBlock{}
	first, err := block.next()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = block.hold.Close() })
	program, err := listen(first)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	seen := map[int]bool{}
	for range 2 * blockSize {
		port, err := block.next()
		if err != nil {
			t.Fatal(err)
		}
		seen[port] = true
	}
	if seen[first] {
		t.Errorf("port %d was given while a program listens on it", first)
	}
	if len(seen) != blockSize-2 {
		t.Errorf("%d different ports were given, want %d: all others of the block", len(seen), blockSize-2)
	}
}
