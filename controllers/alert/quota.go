package alert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// DefaultMaxAlerts are the SlackAlerts of one namespace that are at work.
const DefaultMaxAlerts = 100

// quota tells which SlackAlerts of a namespace are at work: the oldest, as many
// as the operator takes. The zero value is ready to use.
type quota struct {
	mu sync.Mutex
	// ranks of the SlackAlerts of a namespace, the oldest first.
	ranks map[string][]rank
}

type rank struct {
	created time.Time
	name    string
}

func (r rank) compare(other rank) int {
	if order := r.created.Compare(other.created); order != 0 {
		return order
	}
	return strings.Compare(r.name, other.name)
}

// add counts a SlackAlert, and returns the one that is beyond the limit by that.
func (q *quota) add(o client.Object, limit int) (types.NamespacedName, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ranks == nil {
		q.ranks = map[string][]rank{}
	}
	list := q.ranks[o.GetNamespace()]
	is := rank{o.GetCreationTimestamp().Time, o.GetName()}
	at, known := slices.BinarySearchFunc(list, is, rank.compare)
	if known {
		return types.NamespacedName{}, false
	}
	if old := slices.IndexFunc(list, func(r rank) bool { return r.name == is.name }); old >= 0 {
		list = slices.Delete(list, old, old+1) // deleted and made anew
		at, _ = slices.BinarySearchFunc(list, is, rank.compare)
	}
	list = slices.Insert(list, at, is)
	q.ranks[o.GetNamespace()] = list
	if at < limit && len(list) > limit {
		return types.NamespacedName{Namespace: o.GetNamespace(), Name: list[limit].name}, true
	}
	return types.NamespacedName{}, false
}

// remove forgets a SlackAlert, and returns the one that has its place now.
func (q *quota) remove(key types.NamespacedName, limit int) (types.NamespacedName, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.ranks[key.Namespace]
	at := slices.IndexFunc(list, func(r rank) bool { return r.name == key.Name })
	if at < 0 {
		return types.NamespacedName{}, false
	}
	list = slices.Delete(list, at, at+1)
	q.ranks[key.Namespace] = list
	if len(list) == 0 {
		delete(q.ranks, key.Namespace)
	}
	if at < limit && len(list) >= limit {
		return types.NamespacedName{Namespace: key.Namespace, Name: list[limit-1].name}, true
	}
	return types.NamespacedName{}, false
}

// admits reports whether a SlackAlert is one of the oldest.
func (q *quota) admits(key types.NamespacedName, limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.IndexFunc(q.ranks[key.Namespace], func(r rank) bool { return r.name == key.Name })
	return at < limit
}

func (r *Reconciler) maxAlerts() int {
	if r.MaxAlerts == 0 {
		return DefaultMaxAlerts
	}
	return r.MaxAlerts
}

// admitted reports whether a SlackAlert is at work, by the limit of its
// namespace.
func (r *Reconciler) admitted(alert *v1alpha1.SlackAlert) bool {
	if pushed, ok := r.quota.add(alert, r.maxAlerts()); ok {
		r.Wake.Wake(pushed)
	}
	return r.quota.admits(client.ObjectKeyFromObject(alert), r.maxAlerts())
}

// leave makes room for another SlackAlert of the namespace.
func (r *Reconciler) leave(key types.NamespacedName) {
	if next, ok := r.quota.remove(key, r.maxAlerts()); ok {
		r.Wake.Wake(next)
	}
}

func (r *Reconciler) tooManyAlerts(alert *v1alpha1.SlackAlert) outcome {
	return stalled(v1alpha1.ReasonTooManyAlerts, fmt.Sprintf(
		"namespace %q has more than %d SlackAlerts, and this is not one of the oldest %[2]d: delete others, or start the operator with --max-alerts-per-namespace=%d or more (in the args of its Deployment); it begins when there is room",
		alert.Namespace, r.maxAlerts(), 2*r.maxAlerts()))
}

// ofAlert counts the SlackAlerts of each namespace. All that there are at first
// are counted before any is reconciled.
func (r *Reconciler) ofAlert(inShard predicate.Predicate) handler.EventHandler {
	see := func(o client.Object) {
		if inShard.Generic(event.GenericEvent{Object: o}) {
			if pushed, ok := r.quota.add(o, r.maxAlerts()); ok {
				r.Wake.Wake(pushed)
			}
		} else {
			r.leave(client.ObjectKeyFromObject(o))
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[client.Object], _ queue) { see(e.Object) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[client.Object], _ queue) { see(e.ObjectNew) },
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[client.Object], _ queue) {
			r.leave(client.ObjectKeyFromObject(e.Object))
		},
	}
}
