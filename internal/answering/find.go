package answering

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/interact"
)

// UIDIndex finds SlackNotifications in the cache by the UID that a button names.
const UIDIndex = "metadata.uid"

// IndexUID is the function of UIDIndex. Only what can be, or was, answered is in it.
func IndexUID(o client.Object) []string {
	n, ok := o.(*v1alpha1.SlackNotification)
	if !ok || len(n.Spec.Actions) == 0 && len(n.Status.Responses) == 0 {
		return nil
	}
	return []string{string(n.UID)}
}

// byUID returns a copy of the object; nil when the cache does not have it.
func (p *press) byUID(ctx context.Context) (*v1alpha1.SlackNotification, error) {
	list := &v1alpha1.SlackNotificationList{}
	if err := p.Client.List(ctx, list, client.MatchingFields{UIDIndex: string(p.click.Button.UID)}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	return list.Items[0].DeepCopy(), nil
}

// certainlyGone reports whether what the cache does not have was deleted, and is
// not just to be seen: then a click on it is lost for nothing.
func (p *press) certainlyGone() bool {
	if p.Deleted.Has(p.click.Button.UID) {
		return true
	}
	// The cache began with all that was there, so what was posted well before that
	// has been deleted before that, too.
	since := p.Deleted.Since()
	posted := interact.TimeOf(p.click.Timestamp)
	return !p.Partial && !since.IsZero() && posted.Add(clockSkew).Before(since)
}

// clockSkew is how far Slack's clock and ours may be apart.
const clockSkew = 5 * time.Minute

// maxDeleted are remembered.
const maxDeleted = 20_000

// Deleted remembers which SlackNotifications with actions were deleted since this
// process began to watch.
type Deleted struct {
	clock func() time.Time

	mu    sync.Mutex
	since time.Time
	gone  map[types.UID]struct{}
	order []types.UID
}

// NewDeleted returns one that knows of nothing.
func NewDeleted(now func() time.Time) *Deleted {
	return &Deleted{clock: now, gone: map[types.UID]struct{}{}}
}

// Watch begins to remember, and returns when the cache has been read
// (manager.RunnableFunc). It ends with ctx.
func (d *Deleted) Watch(ctx context.Context, informers cache.Informers) error {
	informer, err := informers.GetInformer(ctx, &v1alpha1.SlackNotification{})
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{DeleteFunc: func(o any) {
		if last, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
			o = last.Obj
		}
		if n, ok := o.(*v1alpha1.SlackNotification); ok && len(IndexUID(n)) > 0 {
			d.add(n.UID)
		}
	}})
	if err != nil {
		return err
	}
	now := d.clock()
	if !informers.WaitForCacheSync(ctx) {
		return nil // it ends
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = now
	return nil
}

func (d *Deleted) add(uid types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.order) >= maxDeleted {
		for _, old := range d.order[:maxDeleted/2] {
			delete(d.gone, old)
		}
		d.order = append([]types.UID(nil), d.order[maxDeleted/2:]...)
	}
	d.gone[uid] = struct{}{}
	d.order = append(d.order, uid)
}

// Has reports whether an object was seen to be deleted.
func (d *Deleted) Has(uid types.UID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.gone[uid]
	return ok
}

// Since is from when on all is known; zero before that.
func (d *Deleted) Since() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.since
}
