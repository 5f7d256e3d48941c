package rooms

import (
	"context"
	"testing"
)

// A room that is full keeps nobody out of another one, and is gone with its last user.
func TestRooms(t *testing.T) {
	var r Rooms
	over, cancel := context.WithCancel(t.Context())
	cancel()
	enter := func(key string) func() {
		t.Helper()
		leave, ok := r.Enter(t.Context(), key, 2)
		if !ok {
			t.Fatalf("there is no place in %s", key)
		}
		return leave
	}
	first, second := enter("a"), enter("a")
	if _, ok := r.Enter(over, "a", 2); ok {
		t.Error("a third one is in a room of two")
	}
	other := enter("b")
	first()
	third := enter("a")
	for _, leave := range []func(){second, third, other} {
		leave()
	}
	if len(r.rooms) != 0 {
		t.Errorf("%d rooms are kept for nobody", len(r.rooms))
	}
}
