package wakeup

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/internal/fairqueue"
)

// The pause after an error of the API server: doubled from the first up to the
// longest, which is also how long a status may stay stale after an outage.
// controller-runtime's own goes up to 1,000 seconds.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = 30 * time.Second
)

// Options are those of a controller with a number of workers, whose queue takes
// namespaces in turn.
func Options(workers int) controller.Options {
	return controller.Options{MaxConcurrentReconciles: workers, RateLimiter: rateLimiter(), NewQueue: fairqueue.ForController}
}

// rateLimiter returns the back-off of a controller's queue for objects whose
// reconciliation has returned an error.
func rateLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstPause, longestPause)
}
