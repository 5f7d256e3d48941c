package notification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/delivery"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/reference"
)

// expireDeliveries gives up what was never delivered when the deadline has passed.
func (r *Reconciler) expireDeliveries(_ context.Context, p *pass) error {
	at := p.want.Deadline
	if at.IsZero() {
		return nil
	}
	if p.now.Before(at) {
		p.requeueBy(at)
		return nil
	}
	for _, rcpt := range p.recipients {
		if rcpt.Expire(p.want, p.now) {
			p.mustWrite = true
			r.Lanes.Forget(p.now, p.ticket(rcpt))
		}
	}
	return nil
}

// suspended holds what is open while spec.suspend is true.
func (r *Reconciler) suspended(_ context.Context, p *pass) error {
	if p.n.Spec.Suspend {
		p.blocked(conditions.Summary{Kind: conditions.KindSuspended, Reason: v1alpha1.ReasonSuspended,
			Message: "spec.suspend is true: what is not delivered yet is held, and is sent as soon as it is set to false"})
	}
	return nil
}

// scheduled holds what is to be sent later. The object's own time wakes it.
func (r *Reconciler) scheduled(_ context.Context, p *pass) error {
	at := p.n.Spec.NotBefore
	if at == nil || at.Sub(p.now) <= 0 || p.allDone() {
		return nil
	}
	p.blocked(conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonScheduled,
		Message: fmt.Sprintf("held until %s (spec.notBefore)", at.UTC().Format(time.RFC3339))})
	p.requeueBy(at.Time)
	p.mustWrite = at.Sub(p.now) > quietFor
	return nil
}

// awaitTouch holds a new object of a shard for a moment. A change of its labels
// hands it over to another shard, which tells by the second of the change that
// this one may have sent it; a change within the second of the creation is waited
// for, so that it is seen here before anything is sent.
func (r *Reconciler) awaitTouch(_ context.Context, p *pass) error {
	until := p.n.CreationTimestamp.Add(1500 * time.Millisecond)
	if !r.Sharded || !p.tracked.made || !p.now.Before(until) || !p.now.Add(2*time.Second).After(until) {
		return nil
	}
	p.blocked(conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonPending, Message: "waits to be sent"})
	p.requeueBy(until)
	return nil
}

// way is the way to Slack through one SlackChannel.
type way struct {
	key     types.NamespacedName
	channel *v1alpha1.SlackChannel
	conn    *connection.Connection
	// facts are what Slack itself has told of the credential.
	facts     connection.Facts
	workspace directory.Workspace
	// credential changes with whatever may make another attempt worth while.
	credential string
	// own is the SlackChannel's own channel; empty where it has none. ownName is its
	// name for people.
	own, ownName string
}

// reached is what came of looking for a way.
type reached struct {
	way *way
	// block is why there is none now; nil when there is one.
	block *conditions.Summary
}

// useConnection finds the way to Slack through the SlackChannel of the spec.
func (r *Reconciler) useConnection(ctx context.Context, p *pass) error {
	if p.allDone() {
		return nil
	}
	got, err := r.reach(ctx, p, p.n.Spec.ChannelRef)
	if err != nil {
		return err
	}
	if got.block != nil {
		p.blocked(*got.block)
		if got.block.Kind == conditions.KindStalled {
			// What wakes it may be missed, as when a Secret was replaced meanwhile.
			p.requeueBy(p.now.Add(backoff.Around(10 * time.Minute)))
		}
		return nil
	}
	p.way = got.way
	return nil
}

// reach finds the way to Slack through a SlackChannel.
func (r *Reconciler) reach(ctx context.Context, p *pass, ref v1alpha1.ChannelReference) (reached, error) {
	key := reference.Channel(ref, p.n.Namespace)
	c, block, err := r.Channels.Get(ctx, ref, p.n.Namespace)
	if err != nil || block != nil {
		return reached{block: block}, err
	}
	if block := channelBlock(key, c); block != nil {
		return reached{block: block}, nil
	}
	conn, err := r.Connections.Resolve(ctx, c)
	var problem *connection.Problem
	if errors.As(err, &problem) {
		return reached{block: &conditions.Summary{Kind: conditions.KindStalled, Reason: problem.Reason, Message: fmt.Sprintf("SlackChannel %s: %s", key, problem.Message)}}, nil
	}
	if err != nil {
		return reached{}, err
	}
	facts, ok := r.Health.Facts(c.UID, conn.Credential)
	if !ok && conn.API != nil {
		p.requeueBy(p.now.Add(time.Minute)) // in case that the wake-up gets lost
		return reached{block: notVerified(key)}, nil
	}
	return reached{way: newWay(key, c, conn, facts, p.n.Namespace)}, nil
}

func newWay(key types.NamespacedName, c *v1alpha1.SlackChannel, conn *connection.Connection, facts connection.Facts, namespace string) *way {
	w := &way{key: key, channel: c, conn: conn, facts: facts, credential: conn.Credential}
	if cond := conditions.Find(c, v1alpha1.ConditionReady); cond != nil {
		w.credential += "/" + cond.LastTransitionTime.UTC().Format(time.RFC3339)
	}
	w.workspace = directory.Workspace{
		TeamID: facts.Identity.TeamID, TeamName: facts.Identity.TeamName, BotUserID: facts.Identity.BotUserID,
		Credential: conn.Credential, API: conn.API, Namespace: namespace,
	}
	stored := c.Status.Workspace
	switch {
	case conn.API == nil:
		w.workspace.TeamID, w.own, w.ownName = "webhook "+conn.WebhookKey, conn.WebhookKey, "the webhook's channel"
	case facts.Channel.ID != "":
		w.own, w.ownName = facts.Channel.ID, "#"+facts.Channel.Name
	case c.Status.Channel != nil && stored != nil && stored.ID == facts.Identity.TeamID && c.Status.BotUserID == facts.Identity.BotUserID:
		// What an earlier process has found holds until this one has looked, so that
		// a restart holds up no message; the token is of the same bot.
		w.own, w.ownName = c.Status.Channel.ID, "#"+c.Status.Channel.Name
	}
	return w
}

// webhook reports whether the way is an incoming webhook.
func (w *way) webhook() bool { return w.conn.API == nil }

func (w *way) adapter() string {
	if w.webhook() {
		return "webhook"
	}
	return "webapi"
}

// place names the SlackChannel's own channel for people.
func (w *way) place() string {
	if w == nil || w.ownName == "" {
		return "the SlackChannel's channel"
	}
	return w.ownName
}

// can says what the way allows for a recipient.
func (r *Reconciler) can(w *way, rcpt *recipient) delivery.Can {
	c := delivery.Can{Read: !w.webhook(), Edit: !w.webhook(), Credential: w.credential}
	if w.webhook() || rcpt.isPerson() {
		return c
	}
	spec := w.channel.Spec.WebAPI
	c.Join = spec != nil && (spec.Join == nil || *spec.Join)
	c.PostUnseen = slices.Contains(w.facts.Identity.Scopes, "chat:write.public")
	c.Proven = rcpt.key == defaultKey && apimeta.IsStatusConditionTrue(w.channel.Status.Conditions, v1alpha1.ConditionExactlyOnce)
	return c
}

func channelKey(n *v1alpha1.SlackNotification) types.NamespacedName {
	return reference.Channel(n.Spec.ChannelRef, n.Namespace)
}

func notVerified(key types.NamespacedName) *conditions.Summary {
	return &conditions.Summary{Kind: conditions.KindProgressing, Reason: v1alpha1.ReasonSlackChannelNotReady,
		Message: fmt.Sprintf("waits for SlackChannel %s to be verified", key)}
}

// channelBlock says why a SlackChannel can't be used now, or nil.
func channelBlock(key types.NamespacedName, c *v1alpha1.SlackChannel) *conditions.Summary {
	if c.Spec.Suspend {
		return &conditions.Summary{Kind: conditions.KindSuspended, Reason: v1alpha1.ReasonSlackChannelSuspended,
			Message: fmt.Sprintf("SlackChannel %s is suspended: its notifications are held, and are sent as soon as its spec.suspend is set to false", key)}
	}
	ready := conditions.Find(c, v1alpha1.ConditionReady)
	switch {
	case ready == nil || c.Status.ObservedGeneration != c.Generation || ready.Status == metav1.ConditionUnknown,
		ready.Reason == v1alpha1.ReasonSuspended:
		return notVerified(key)
	case ready.Status == metav1.ConditionTrue:
		return nil
	}
	kind, then := conditions.KindRetrying, "the message is sent by itself when that has passed"
	if conditions.Find(c, v1alpha1.ConditionStalled) != nil {
		kind, then = conditions.KindStalled, "the message is sent as soon as the SlackChannel is ready"
	}
	return &conditions.Summary{Kind: kind, Reason: ready.Reason, Message: fmt.Sprintf("SlackChannel %s is not ready: %s; %s", key, ready.Message, then)}
}
