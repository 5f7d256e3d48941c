package kubeauth

import "time"

// recent is a bounded memory whose entries end. When it is full it forgets what
// was put there longest ago, half of it at a time, and never what is in use. It
// is not safe for concurrent use.
type recent[K comparable, V any] struct {
	// limit is how many entries are kept at most.
	limit int
	// age after which an entry counts no more.
	age time.Duration

	young, old map[K]dated[V]
}

type dated[V any] struct {
	value V
	at    time.Time
}

// get returns an entry that is not too old.
func (r *recent[K, V]) get(key K, now time.Time) (value V, ok bool) {
	have, ok := r.young[key]
	if !ok {
		have, ok = r.old[key]
	}
	if !ok || now.Sub(have.at) >= r.age {
		return value, false
	}
	return have.value, true
}

// put keeps an entry, and makes room for it.
func (r *recent[K, V]) put(key K, value V, now time.Time) {
	if _, there := r.young[key]; !there && (r.young == nil || len(r.young) >= max(r.limit/2, 1)) {
		r.old, r.young = r.young, make(map[K]dated[V])
	}
	r.young[key] = dated[V]{value, now}
}

// drop forgets an entry.
func (r *recent[K, V]) drop(key K) {
	delete(r.young, key)
	delete(r.old, key)
}

func (r *recent[K, V]) len() int { return len(r.young) + len(r.old) }
