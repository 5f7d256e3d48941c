package pacing

import (
	"math"
	"slices"
	"testing"
)

// FuzzOrdered holds the set against a sorted slice: an odd byte puts its half
// in, an even one takes it out.
func FuzzOrdered(f *testing.F) {
	f.Add([]byte{1, 3, 5, 2, 9, 7, 4, 6})
	f.Fuzz(func(t *testing.T, ops []byte) {
		set := ordered[int]{less: func(a, b int) bool { return a < b }}
		var want []int
		for _, op := range ops {
			x := int(op / 2)
			i, there := slices.BinarySearch(want, x)
			switch {
			case op%2 == 1 && !there:
				set.insert(x)
				want = slices.Insert(want, i, x)
			case op%2 == 0:
				if set.remove(x) != there {
					t.Fatalf("removing %d: was there %v", x, there)
				}
				if there {
					want = slices.Delete(want, i, i+1)
				}
			}
			if set.rank(x) != i || set.len() != len(want) {
				t.Fatalf("rank of %d is %d of %d, want %d of %d", x, set.rank(x), set.len(), i, len(want))
			}
			if first, ok := set.first(); ok != (len(want) > 0) || ok && first != want[0] {
				t.Fatalf("first is %d (%v), want that of %v", first, ok, want)
			}
		}
		if got := slices.Collect(set.all); !slices.Equal(got, want) {
			t.Fatalf("has %v, want %v", got, want)
		}
	})
}

func TestOrderedIsBalanced(t *testing.T) {
	set := ordered[int]{less: func(a, b int) bool { return a < b }}
	const n = 100_000
	for i := range n {
		set.insert(i)
	}
	var depth func(*node[int]) int
	depth = func(n *node[int]) int {
		if n == nil {
			return 0
		}
		return 1 + max(depth(n.left), depth(n.right))
	}
	if got, bound := depth(set.root), 4*int(math.Log2(n)); got > bound {
		t.Errorf("depth %d of %d elements in ascending order, want %d at most", got, n, bound)
	}
}
