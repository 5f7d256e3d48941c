package wakeup

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The pause after an error of the API server: doubled from the first up to the
// longest, which is also how long a status may stay stale after an outage.
// controller-runtime's own goes up to 1,000 seconds.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = 30 * time.Second
)

// RateLimiter returns the back-off of a controller's queue for objects whose
// reconciliation has returned an error.
func RateLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstPause, longestPause)
}
