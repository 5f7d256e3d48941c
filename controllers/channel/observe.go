package channel

import (
	"context"
	"errors"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// observe learns what this process must know to deliver through a SlackChannel
// that another process reconciles, or that is being deleted. It asks auth.test
// once for each token, changes nothing in Slack and writes no status.
func (r *Reconciler) observe(ctx context.Context, c *v1alpha1.SlackChannel) (ctrl.Result, error) {
	if c.Spec.Suspend {
		return ctrl.Result{}, nil
	}
	conn, err := r.Connections.Resolve(ctx, c)
	if errors.As(err, new(*connection.Problem)) {
		return ctrl.Result{}, nil // a change of the Secret wakes it
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if conn.API == nil {
		r.learn(c, conn, slack.Identity{}, slack.Conversation{})
		return ctrl.Result{}, nil
	}
	r.Directory.Forget(r.tokens.join(client.ObjectKeyFromObject(c), conn, r.Clock.Now()))
	facts, known := r.Health.Facts(c.UID, conn.Credential)
	identity := facts.Identity
	if !known {
		got := r.authTest(ctx, c, conn)
		if got.wait > 0 {
			return ctrl.Result{RequeueAfter: got.wait}, nil
		}
		if got.failed != nil {
			return ctrl.Result{RequeueAfter: r.askAgain(c, got.failed)}, nil //nolint:nilerr // it becomes a pause
		}
		identity = got.identity
		r.answered(c)
	}
	return r.observeChannel(ctx, c, conn, identity)
}

// askAgain returns when to ask again after an error of auth.test.
func (r *Reconciler) askAgain(c *v1alpha1.SlackChannel, e *slack.Error) time.Duration {
	if !e.Class.Transient() {
		return r.nextCheck()
	}
	m := r.remember(c, func(m *memory) { m.failures++ })
	return max(e.RetryAfter, pauseOf(c, m.failures))
}

// observeChannel finds the channel of a SlackChannel that is not reconciled here.
func (r *Reconciler) observeChannel(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity) (ctrl.Result, error) {
	k := &check{c: c, conn: conn, owner: OwnerPrefix + Owner(client.ObjectKeyFromObject(c))}
	k.use(identity)
	r.crowd(k)
	ref := c.Spec.WebAPI.Channel
	if c.Spec.Manage != nil {
		ref = c.Status.Managed // one of that name need not be its own
	}
	if ref == "" {
		return ctrl.Result{}, nil
	}
	found, err := r.lookUp(ctx, k, ref)
	var wait *directory.WaitError
	switch {
	case err == nil:
		r.learn(c, conn, identity, found)
		r.counted(k, found)
	case errors.As(err, &wait):
		return ctrl.Result{RequeueAfter: max(wait.At.Sub(r.Clock.Now()), 0) + 1}, nil
	}
	return ctrl.Result{RequeueAfter: backoff.Around(r.every(k))}, nil
}
