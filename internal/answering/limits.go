package answering

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// atOnce are the clicks of one app that are taken at once. What is beyond waits,
// for as long as Slack does.
const atOnce = 64

// gate bounds how many clicks of an app are taken at once. There are as many apps
// as SlackChannels have, at most.
type gate struct {
	mu   sync.Mutex
	apps map[string]*room
}

type room struct {
	slots chan struct{}
	users int
}

// enter waits for room; not ok when ctx ends before there is some.
func (g *gate) enter(ctx context.Context, app string) (leave func(), ok bool) {
	g.mu.Lock()
	r := g.apps[app]
	if r == nil {
		if g.apps == nil {
			g.apps = map[string]*room{}
		}
		r = &room{slots: make(chan struct{}, atOnce)}
		g.apps[app] = r
	}
	r.users++
	g.mu.Unlock()
	done := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if r.users--; r.users == 0 {
			delete(g.apps, app)
		}
	}
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots; done() }, true
	case <-ctx.Done():
		done()
		return nil, false
	}
}

const (
	// warnEvery is the least time between two Events about one object.
	warnEvery = time.Minute
	// maxWarned objects are remembered.
	maxWarned = 10_000
)

// pacer spaces what is told of each object.
type pacer struct {
	mu   sync.Mutex
	last map[types.UID]time.Time
}

// may reports whether it is time to tell, and notes that it is done.
func (p *pacer) may(uid types.UID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, ok := p.last[uid]; ok && now.Before(at.Add(warnEvery)) {
		return false
	}
	if p.last == nil {
		p.last = map[types.UID]time.Time{}
	}
	if len(p.last) >= maxWarned {
		for old, at := range p.last {
			if !now.Before(at.Add(warnEvery)) {
				delete(p.last, old)
			}
		}
		if len(p.last) >= maxWarned {
			return false // so many in a minute are told by the metrics
		}
	}
	p.last[uid] = now
	return true
}
