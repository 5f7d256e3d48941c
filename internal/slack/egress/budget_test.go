package egress

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// flood answers with as many bytes as there may be, and more.
func flood(t testing.TB) (url string, written *atomic.Int64) {
	written = &atomic.Int64{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat("[", 64<<10))
		for range 2 * MaxAnswerBytes / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
			written.Add(int64(len(chunk)))
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, written
}

// However many hostile answers come at once, and however long each may be, they
// take no more memory than the budget and a little for each.
func TestAnswersShareMemory(t *testing.T) {
	const callers, budget = 64, 20 << 20
	url, written := flood(t)
	b := NewBudget(budget)
	c := newClient(t, Options{Timeout: time.Minute, Answers: b}, url)
	before := heap()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var held []*Answer
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
			answer, _ := Do(c, req, MaxAnswerBytes)
			mu.Lock()
			defer mu.Unlock()
			if answer != nil {
				held = append(held, answer)
			}
		})
	}
	// Nobody releases anything, so in the end all wait, and nothing is read any more.
	for before := int64(-1); before != written.Load() || written.Load() < budget; time.Sleep(200 * time.Millisecond) {
		before = written.Load()
	}
	cancel()
	group.Wait()
	total := int64(0)
	for _, a := range held {
		total += int64(len(a.Body))
	}
	if most := int64(budget + callers*unbudgeted); total > most || total < usual {
		t.Errorf("the bodies of %d answers hold %d KiB, want some, and %d KiB at the most", len(held), total>>10, most>>10)
	}
	grown := heap() - before
	t.Logf("%d answers at once: %d KiB of bodies, %d KiB of heap", callers, total>>10, grown>>10)
	if most := int64(3 * budget); grown > most {
		t.Errorf("the heap has grown by %d MiB, want %d at the most; all at once would be %d", grown>>20, most>>20, callers*MaxAnswerBytes>>20)
	}
	for _, a := range held {
		a.Release()
		a.Release() // twice gives nothing back twice
	}
	if !b.free.TryAcquire(budget) {
		t.Error("not all memory is given back")
	}
}

// heap is what is in use, garbage left out.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// One namespace's answers leave room for those of others.
func TestAPartTakesNoMoreThanItsOwn(t *testing.T) {
	url, _ := flood(t)
	whole := NewBudget(8 << 20)
	part, other := whole.Part(2<<20), whole.Part(2<<20)
	read := func(b *Budget) *Answer {
		answer, failure := post(t, t.Context(), newClient(t, Options{Answers: b}, url), url)
		if failure != nil {
			t.Fatal(failure)
		}
		t.Cleanup(answer.Release)
		return answer
	}
	if first := read(part); len(first.Body) != 2<<20 || first.Incomplete == nil {
		t.Errorf("%d bytes (%v), want as many as the part has", len(first.Body), first.Incomplete)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	second, failure := post(t, ctx, newClient(t, Options{Answers: part}, url), url)
	if failure != nil || len(second.Body) > unbudgeted || second.Incomplete == nil || !second.Incomplete.Timeout {
		t.Errorf("a second answer of the same part: %+v, failure %v; want it to wait until its time is over", second, failure)
	}
	if third := read(other); len(third.Body) != 2<<20 {
		t.Errorf("another part reads %d bytes, want all of its own", len(third.Body))
	}
}

// What is asked for by method bounds an answer, whatever its header says.
func TestLimitOfOneAnswer(t *testing.T) {
	for _, body := range []int{0, 99, 100, 101, unbudgeted, unbudgeted + 1, usual, usual + 1, 3 * usual} {
		for _, limit := range []int{100, unbudgeted, usual, 3 * usual} {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(make([]byte, body))
			}))
			c := newClient(t, Options{Answers: NewBudget(16 << 20)}, srv.URL)
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, nil)
			answer, failure := Do(c, req, int64(limit))
			switch {
			case failure != nil:
				t.Errorf("%d bytes with the limit %d: %v", body, limit, failure)
			case len(answer.Body) != min(body, limit) || (answer.Incomplete != nil) != (body > limit):
				t.Errorf("%d bytes with the limit %d: read %d, incomplete %v", body, limit, len(answer.Body), answer.Incomplete)
			}
			answer.Release()
			srv.Close()
		}
	}
}
