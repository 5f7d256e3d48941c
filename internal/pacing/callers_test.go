package pacing

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// checkCalls holds the times of calls against limits, counted anew.
func checkCalls(t testing.TB, times []time.Time, limits []Limit) {
	t.Helper()
	slices.SortFunc(times, time.Time.Compare)
	for _, l := range limits {
		for i := l.Events; i < len(times); i++ {
			if took := times[i].Sub(times[i-l.Events]); took < l.Per {
				t.Errorf("Slack counted %d calls within %v, want that in %v at least", l.Events+1, took, l.Per)
				break
			}
		}
	}
}

// visit is what somebody does at a time: to ask for a slot, or to end a call.
type visit struct {
	at     time.Time
	holder Holder
	ends   bool
	// asked is when the holder came first, tries how often it came.
	asked time.Time
	tries int
}

type visits []visit

func (v visits) Len() int           { return len(v) }
func (v visits) Less(i, j int) bool { return v[i].at.Before(v[j].at) }
func (v visits) Swap(i, j int)      { v[i], v[j] = v[j], v[i] }
func (v *visits) Push(x any)        { *v = append(*v, x.(visit)) }
func (v *visits) Pop() any {
	old := *v
	one := old[len(old)-1]
	*v = old[:len(old)-1]
	return one
}

// callers use a Limiter as the operator does, on a clock of their own, against
// a Slack that counts a call at any moment between its beginning and its end.
type callers struct {
	t       testing.TB
	random  *rand.Rand
	limiter *Limiter
	now     time.Time
	agenda  visits
	lasts   func() time.Duration
	// delay of a holder after the time that it was told.
	delay func() time.Duration
	// counted are Slack's times of the calls, waited is how long each holder
	// waited for its own.
	counted []time.Time
	waited  map[string]time.Duration
	asks    int
}

func newCallers(t testing.TB, o LimiterOptions) *callers {
	return &callers{
		t: t, random: rand.New(rand.NewPCG(3, 3)), limiter: NewLimiter(o), now: epoch, waited: map[string]time.Duration{},
		lasts: func() time.Duration { return 100 * time.Millisecond },
		delay: func() time.Duration { return 5 * time.Millisecond },
	}
}

func (c *callers) come(at time.Time, h Holder) {
	heap.Push(&c.agenda, visit{at: at, holder: h, asked: at})
}

// run lets d pass; it returns earlier when nothing is left to do.
func (c *callers) run(d time.Duration) {
	end := c.now.Add(d)
	for len(c.agenda) > 0 && !c.agenda[0].at.After(end) {
		v := heap.Pop(&c.agenda).(visit)
		if v.at.After(c.now) {
			c.now = v.at
		}
		c.serve(v)
	}
	if len(c.agenda) > 0 {
		c.now = end
	}
}

func (c *callers) serve(v visit) {
	if v.ends {
		c.limiter.Done(c.now, team("T1"), "m", v.holder.Name)
		return
	}
	c.asks++
	v.tries++
	at, ok := c.limiter.Reserve(c.now, team("T1"), "m", v.holder)
	if !ok {
		if !at.After(c.now) {
			c.t.Fatalf("%s is told to come at %v, which is not after now, %v", v.holder.Name, at.Sub(epoch), c.now.Sub(epoch))
		}
		if v.tries > 2000 {
			c.t.Fatalf("%s came 2000 times in vain", v.holder.Name)
		}
		v.at = at.Add(c.delay())
		heap.Push(&c.agenda, v)
		return
	}
	lasts := c.lasts()
	c.counted = append(c.counted, c.now.Add(time.Duration(c.random.Int64N(int64(lasts)+1))))
	c.waited[v.holder.Name] = c.now.Sub(v.asked)
	heap.Push(&c.agenda, visit{at: c.now.Add(lasts), holder: v.holder, ends: true})
}
