// Package rooms bounds how many are at something at once, for each key apart: those of
// one app or namespace keep no other out.
package rooms

import (
	"context"
	"sync"
)

// Rooms are by key, and there while somebody is in one or waits for it. The zero value
// has none. It is safe for concurrent use.
type Rooms struct {
	mu    sync.Mutex
	rooms map[string]*room
}

type room struct {
	slots chan struct{}
	users int
}

// Enter waits for a place in the room of a key, which has size of them; not ok when ctx
// ends before there is one. Who is in leaves by leave.
func (r *Rooms) Enter(ctx context.Context, key string, size int) (leave func(), ok bool) {
	in := r.come(key, size)
	select {
	case in.slots <- struct{}{}:
		return func() { <-in.slots; r.depart(key, in) }, true
	case <-ctx.Done():
		r.depart(key, in)
		return nil, false
	}
}

func (r *Rooms) come(key string, size int) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.rooms[key]
	if in == nil {
		if r.rooms == nil {
			r.rooms = map[string]*room{}
		}
		in = &room{slots: make(chan struct{}, size)}
		r.rooms[key] = in
	}
	in.users++
	return in
}

func (r *Rooms) depart(key string, in *room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.users--; in.users == 0 {
		delete(r.rooms, key)
	}
}
