package directory

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"unicode"
)

const (
	// nearShown of the names that a wrong one is like.
	nearShown = 2
	// farthest is how many letters may differ, be missing or be too many.
	farthest = 2
	// nearLength is the length from which that holds; a shorter name may differ
	// in one letter, since nearly everything is like it else.
	nearLength = 5
	// maxCompared is the longest name that is compared, in characters; Slack's
	// longest has 80.
	maxCompared = 80
)

// nearest collects the names that are most like one that was not found.
type nearest struct {
	want  []rune
	limit int
	found []nearName
	// rows of the edit distance for each letter of the name that was looked at
	// last. Sorted names share beginnings, and so the rows for these.
	rows [maxCompared + 1][maxCompared + 1]uint8
	last [maxCompared]rune
	// depth is how many letters of last have rows; dead is true when no name
	// that begins with these can be near.
	depth int
	dead  bool
}

type nearName struct {
	// of is the ID of what is called so.
	name, of string
	distance uint8
}

func newNearest(want string) *nearest {
	n := &nearest{limit: farthest}
	for _, r := range want {
		n.want = append(n.want, unicode.ToLower(r))
	}
	if len(n.want) < nearLength {
		n.limit = 1
	}
	for i := range n.rows[0] {
		n.rows[0][i] = uint8(i)
	}
	return n
}

// possible reports whether any name can be near at all. What looks like an
// e-mail address is nobody's name.
func (n *nearest) possible() bool {
	return len(n.want) > 1 && len(n.want) <= maxCompared && !slices.Contains(n.want, '@')
}

// look compares the next name in an order that is sorted without regard to
// case; of is the ID of what is called so. It reports whether any name that
// begins with the letters that have rows can be near.
func (n *nearest) look(name, of string) bool {
	at := 0
	shared := true
	for _, r := range name {
		r = unicode.ToLower(r)
		if shared && at < n.depth && n.last[at] == r {
			at++
			continue
		}
		if shared {
			if at == n.depth && n.dead {
				return false
			}
			shared, n.depth, n.dead = false, at, false
		}
		if at == maxCompared || r == '@' {
			return true
		}
		at++
		n.last[at-1], n.depth = r, at
		if n.row(at, r) > n.limit {
			n.dead = true
			return false
		}
	}
	if at == n.depth && n.dead {
		return false
	}
	if d := n.rows[at][len(n.want)]; d > 0 && int(d) <= n.limit && of != "" {
		n.add(nearName{name, of, d})
	}
	return true
}

// beginsLikeLast reports whether a name begins with the letters that have rows.
func (n *nearest) beginsLikeLast(name string) bool {
	at := 0
	for _, r := range name {
		if at == n.depth {
			return true
		}
		if n.last[at] != unicode.ToLower(r) {
			return false
		}
		at++
	}
	return at == n.depth
}

// row works out the distances of the first at letters of a name to all
// beginnings of the wanted one, and returns the smallest.
func (n *nearest) row(at int, r rune) int {
	above, row := &n.rows[at-1], &n.rows[at]
	row[0] = above[0] + 1
	least := row[0]
	for i, w := range n.want {
		d := above[i]
		if r != w {
			d = min(d, above[i+1], row[i]) + 1
		}
		row[i+1] = d
		least = min(least, d)
	}
	return int(least)
}

// add keeps a name if it is among the best, and the best one only of what has
// several.
func (n *nearest) add(found nearName) {
	for i, have := range n.found {
		if have.name != found.name && have.of != found.of {
			continue
		}
		if found.distance >= have.distance {
			return
		}
		n.found = slices.Delete(n.found, i, i+1)
		break
	}
	n.found = append(n.found, found)
	slices.SortStableFunc(n.found, func(a, b nearName) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	n.found = n.found[:min(len(n.found), nearShown)]
}

func (n *nearest) names() []string {
	var out []string
	for _, f := range n.found {
		out = append(out, f.name)
	}
	return out
}

// Near returns up to two of the names that are like one that is not among them.
func Near(want string, names []string) []string {
	n := newNearest(want)
	if !n.possible() {
		return nil
	}
	for _, name := range names[:min(len(names), maxLooked)] {
		n.depth, n.dead = 0, false // they are in no order
		n.look(name, name)
	}
	return n.names()
}

// maxLooked is how many names are looked at before the search is given up.
// Each costs some hundred nanoseconds where memory is slow.
const maxLooked = 20_000

// near returns up to two names, from the given keys of a list, that are like
// one that was not found. Only entries that may be told of are among them.
func near[E entry](s *snapshot[E], want string, tell func(E) bool, keys ...int) []string {
	n := newNearest(want)
	if s == nil || !n.possible() {
		return nil
	}
	left := maxLooked
	for _, k := range keys {
		n.depth, n.dead = 0, false
		key, order := s.keys[k], s.orders[k]
		for i := 0; i < len(order) && left > 0; left-- {
			e := s.entries[order[i]]
			of := ""
			if tell(e) {
				of = e.id()
			}
			i++
			if n.look(key(e), of) {
				continue
			}
			// Over all that begin like this one: in steps that double, and then
			// by halves.
			like := func(at int) bool { left--; return n.beginsLikeLast(key(s.entries[order[at]])) }
			step := 1
			for i+step <= len(order) && like(i+step-1) {
				i += step
				step *= 2
			}
			i += sort.Search(min(step-1, len(order)-i), func(at int) bool { return !like(i + at) })
		}
	}
	return n.names()
}
