package egress

import (
	"bytes"
	"context"
	"errors"
	"io"

	"golang.org/x/sync/semaphore"
)

const (
	// unbudgeted is what of each answer is read without asking for memory; all
	// but lists are shorter. Its sum is bounded by how many calls there are at once.
	unbudgeted = 64 << 10
	// usual is what a longer answer takes at first. Nearly all pages of lists are
	// shorter; their length is not known beforehand, as they come compressed.
	usual = 1 << 20
)

// errTooLong is an answer beyond its limit.
var errTooLong = errors.New("the answer is too long")

// Budget is how many bytes of answers may be in memory at once. Who finds no room
// waits for it, for as long as the request may take.
type Budget struct {
	size  int64
	free  *semaphore.Weighted
	whole *Budget
}

// NewBudget returns a budget of so many bytes.
func NewBudget(size int64) *Budget {
	return &Budget{size: size, free: semaphore.NewWeighted(size)}
}

// Part returns a budget whose bytes are a part of b's.
func (b *Budget) Part(size int64) *Budget {
	part := NewBudget(min(size, b.size))
	part.whole = b
	return part
}

// acquire waits for room, in the part first: who waits for that keeps none of the
// whole from others.
func (b *Budget) acquire(ctx context.Context, n int64) error {
	if b == nil {
		return nil
	}
	if err := b.free.Acquire(ctx, n); err != nil {
		return err
	}
	if err := b.whole.acquire(ctx, n); err != nil {
		b.free.Release(n)
		return err
	}
	return nil
}

// Try takes n bytes at once, or none. A nil Budget has room for everything.
func (b *Budget) Try(n int64) bool {
	if b == nil {
		return true
	}
	if !b.free.TryAcquire(n) {
		return false
	}
	if !b.whole.Try(n) {
		b.free.Release(n)
		return false
	}
	return true
}

// Release gives back what Try has taken.
func (b *Budget) Release(n int64) { b.release(n) }

func (b *Budget) release(n int64) {
	if b != nil {
		b.free.Release(n)
		b.whole.release(n)
	}
}

// read reads an answer up to a limit, in memory of the budget. What was read is
// returned with an error too; the memory is to be released in each case.
func (b *Budget) read(ctx context.Context, body io.Reader, length, limit int64) (data []byte, release func(), err error) {
	if b != nil {
		limit = min(limit, b.size)
	}
	var buf bytes.Buffer
	taken := int64(0)
	release = func() { b.release(taken) }
	for _, step := range []int64{unbudgeted, usual, limit} {
		step = min(step, limit)
		if step > unbudgeted {
			if err := b.acquire(ctx, step-taken); err != nil {
				return buf.Bytes(), release, err
			}
			taken = step
		}
		if length > 0 && length <= step {
			buf.Grow(int(length) - buf.Len() + bytes.MinRead)
		}
		_, err := io.CopyN(&buf, body, step-int64(buf.Len()))
		if errors.Is(err, io.EOF) {
			return buf.Bytes(), release, nil
		}
		if err != nil {
			return buf.Bytes(), release, err
		}
	}
	// It may have ended right at the limit.
	if n, err := io.ReadFull(body, make([]byte, 1)); n == 0 && errors.Is(err, io.EOF) {
		return buf.Bytes(), release, nil
	}
	return buf.Bytes(), release, errTooLong
}
