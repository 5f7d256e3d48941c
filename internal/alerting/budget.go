package alerting

import (
	"context"
	"fmt"
	"reflect"
)

const (
	// maxWork is what all templates of one message together may read and make
	// by calling functions, in bytes of memory.
	maxWork = 4 << 20
	// maxSteps are the rounds of all loops and the calls of all templates of one
	// message together.
	maxSteps = 10000
	// maxDepth of a value that a function reads.
	maxDepth = 100
)

// Errors of templates that ask for too much.
var (
	errWork   = fmt.Errorf("the templates of the message read and make more than %d MiB together", maxWork>>20)
	errSteps  = fmt.Errorf("its loops take more than %d rounds", maxSteps)
	errDepth  = fmt.Errorf("the value is nested deeper than %d", maxDepth)
	errOutput = fmt.Errorf("the text is longer than %d bytes", maxOutput)
)

// budget is what is left for the templates of one message.
type budget struct {
	ctx      context.Context //nolint:containedctx // of this one rendering, which text/template hands to no function
	left     int
	steps    int
	patterns map[string]bool
	// strict is true where something is inserted: a function that is given
	// nothing has nothing to insert. A condition takes nothing for none.
	strict bool
}

func newBudget(ctx context.Context) *budget {
	return &budget{ctx: ctx, left: maxWork, steps: maxSteps, patterns: map[string]bool{}}
}

// step is a round of a loop or a call of a template.
func (b *budget) step() error {
	if b.steps--; b.steps < 0 {
		return errSteps
	}
	return b.ctx.Err()
}

// charge takes n bytes, if they are left.
func (b *budget) charge(n float64) error {
	if n > float64(b.left) {
		return errWork
	}
	b.left -= int(n)
	return b.ctx.Err()
}

// usePattern charges a pattern once, as its compilation costs.
func (b *budget) usePattern(text string) (*pattern, error) {
	p, err := patterns.get(text)
	if err != nil {
		return nil, err
	}
	if !b.patterns[text] {
		b.patterns[text] = true
		err = b.charge(float64(p.weight()))
	}
	return p, err
}

// size of values: what they take in memory, how many there are in them, and how
// deep they are.
type size struct {
	bytes, values, depth int
	// text is what the texts in them are long.
	text int
}

// Bytes of a value beside its text: an interface with what it points to, an
// entry of a map.
const (
	valueBytes = 32
	entryBytes = 96
)

// add adds a value. It ends when there is more than limit bytes.
func (s *size) add(v reflect.Value, depth, limit int) {
	s.values++
	s.bytes += valueBytes
	if s.depth = max(s.depth, depth); s.bytes > limit || depth > maxDepth {
		return
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		if v = v.Elem(); v.Kind() == reflect.Struct {
			s.bytes += 512 // a semver.Version, whose text is short
			s.text += maxVersion
			return
		}
		s.values--
		s.bytes -= valueBytes
		s.add(v, depth, limit)
	case reflect.String:
		s.bytes += v.Len()
		s.text += v.Len()
	case reflect.Slice, reflect.Array:
		for i := 0; i < v.Len() && s.bytes <= limit && s.depth <= maxDepth; i++ {
			s.add(v.Index(i), depth+1, limit)
		}
	case reflect.Map:
		for iter := v.MapRange(); s.bytes <= limit && s.depth <= maxDepth && iter.Next(); {
			s.bytes += entryBytes - 2*valueBytes
			s.add(iter.Key(), depth+1, limit)
			s.add(iter.Value(), depth+1, limit)
		}
	}
}

// measure returns the size of values, if it is within the budget.
func (b *budget) measure(values ...reflect.Value) (size, error) {
	var s size
	for _, v := range values {
		s.add(v, 0, b.left)
	}
	if s.bytes > b.left {
		return s, errWork
	}
	if s.depth > maxDepth {
		return s, errDepth
	}
	return s, nil
}
