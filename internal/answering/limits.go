package answering

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// atOnce are the clicks of one app that are taken at once. What is beyond waits,
// for as long as Slack does.
const atOnce = 64

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
