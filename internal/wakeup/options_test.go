package wakeup

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// After a long outage of the API server an object is looked at again within
// half a minute, however often it has failed.
func TestRateLimiterForgivesAnOutage(t *testing.T) {
	l := rateLimiter()
	item := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "a", Name: "b"}}
	if first := l.When(item); first > 10*time.Millisecond {
		t.Errorf("the first retry comes after %v, want it at once", first)
	}
	var last time.Duration
	for range 100 {
		last = l.When(item)
	}
	if last != 30*time.Second {
		t.Errorf("after 100 failures the next retry comes after %v, want 30s", last)
	}
	l.Forget(item)
	if again := l.When(item); again > 10*time.Millisecond {
		t.Errorf("after a success the next failure waits %v, want it forgotten", again)
	}
}
