package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Finalizer is on the SlackChannels whose channel is to be archived when they are
// deleted, and on no others.
const Finalizer = "slack.notify.dev/archive-channel"

// archiveWithin is how long a deletion waits for Slack.
const archiveWithin = 10 * time.Minute

func wantsArchive(c *v1alpha1.SlackChannel) bool {
	return c.Spec.Manage != nil && c.Spec.Manage.DeletionPolicy == v1alpha1.ChannelArchive
}

// ensureFinalizer keeps the finalizer as spec.manage.deletionPolicy asks.
func (r *Reconciler) ensureFinalizer(ctx context.Context, c *v1alpha1.SlackChannel) error {
	if wantsArchive(c) == controllerutil.ContainsFinalizer(c, Finalizer) {
		return nil
	}
	before := c.DeepCopy()
	if !controllerutil.RemoveFinalizer(c, Finalizer) {
		controllerutil.AddFinalizer(c, Finalizer)
	}
	err := r.Client.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err == nil {
		r.writes.WroteAt(c)
	}
	return err
}

// finalize archives the channel of a SlackChannel that is being deleted. It
// holds the deletion up for a while at most: a namespace must not stay for the
// sake of a channel that can't be reached any more.
func (r *Reconciler) finalize(ctx context.Context, c *v1alpha1.SlackChannel) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(c, Finalizer) {
		return ctrl.Result{}, nil
	}
	after, err := r.archive(ctx, c)
	left := c.DeletionTimestamp.Add(archiveWithin).Sub(r.Clock.Now())
	if after > 0 && left > 0 {
		return ctrl.Result{RequeueAfter: min(after, left)}, nil
	}
	if err != nil {
		r.Recorder.Eventf(c, nil, corev1.EventTypeWarning, v1alpha1.ReasonChannelNotArchived, "Archive", "%s",
			conditions.Note(fmt.Sprintf("the channel stays as it is, though spec.manage.deletionPolicy is Archive: %v", err)))
	}
	before := c.DeepCopy()
	controllerutil.RemoveFinalizer(c, Finalizer)
	return ctrl.Result{}, client.IgnoreNotFound(r.Client.Patch(ctx, c, client.MergeFrom(before)))
}

// archive archives the channel. With after, it is to be tried again then; else
// err is why it stays.
func (r *Reconciler) archive(ctx context.Context, c *v1alpha1.SlackChannel) (after time.Duration, err error) {
	id := c.Status.Managed
	if m := r.remember(c, func(*memory) {}); id == "" && m.managed != nil {
		id = m.managed.made
	}
	if id == "" || !wantsArchive(c) {
		return 0, nil
	}
	if taken, err := r.succeeded(ctx, c, id); err != nil {
		return pauseAfter(0), err
	} else if taken {
		return 0, nil
	}
	conn, err := r.Connections.Resolve(ctx, c)
	switch {
	case errors.As(err, new(*connection.Problem)):
		return 0, err
	case err != nil:
		return pauseAfter(0), err
	case conn.API == nil:
		return 0, errors.New("spec.webhook can't archive a channel")
	}
	return r.callArchive(ctx, c, conn, id)
}

// succeeded reports whether another SlackChannel is there to take the channel over.
func (r *Reconciler) succeeded(ctx context.Context, c *v1alpha1.SlackChannel, id string) (bool, error) {
	workspace, ok := connection.StoredWorkspace(c)
	if !ok {
		return false, nil
	}
	others, err := r.claimants(ctx, c, id)
	for i := range others {
		other := &others[i]
		if other.DeletionTimestamp.IsZero() && other.Spec.Manage.Adopt && collides(other, workspace, wantedName(c), id) {
			return true, nil
		}
	}
	return false, err
}

func (r *Reconciler) callArchive(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection, id string) (time.Duration, error) {
	workspace, known := connection.StoredWorkspace(c)
	if !known {
		workspace = conn.Workspace(slack.Identity{})
	}
	end, wait := r.reserve(c, workspace, slack.MethodConversationsArchive, "")
	if wait > 0 {
		return wait, errors.New(turn(slack.MethodConversationsArchive))
	}
	e := slack.AsError(conn.API.ArchiveConversation(ctx, id))
	end()
	switch {
	case e == nil, e.Class == slack.ClassAlreadyDone, e.Class == slack.ClassChannelArchived:
		if known {
			r.Directory.Invalidate(workspace, id)
		}
		ctrl.LoggerFrom(ctx).Info("Archived a channel", "channel", id)
		return 0, nil
	case e.Class == slack.ClassRateLimited:
		r.penalize(workspace, slack.MethodConversationsArchive, e)
		return max(e.RetryAfter, time.Second), e
	case e.Class.Transient():
		failures := r.remember(c, func(m *memory) { m.failures++ }).failures
		return pauseOf(c, failures), e
	}
	return 0, e
}
