package channel

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// authenticate asks for the identity behind the token.
func (r *Reconciler) authenticate(ctx context.Context, k *check) *outcome {
	if k.managed != nil && k.managed.identity != nil {
		k.use(*k.managed.identity)
		return nil
	}
	got := r.authTest(ctx, k.c, k.conn)
	switch {
	case got.counted: // what the status says of it stands
		return &outcome{after: got.wait}
	case got.wait > 0:
		return k.waiting(turn(slack.MethodAuthTest), got.wait)
	case got.failed == nil:
		if k.managed != nil {
			k.managed.identity = &got.identity
		}
		k.use(got.identity)
		return nil
	}
	o := r.outcomeOf(k, got.failed)
	if o.recheck {
		r.answered(k.c)
		k.managed.finish()
		o.facts = &facts{}
	}
	return o
}

// use the identity of the token.
func (k *check) use(identity slack.Identity) {
	k.identity, k.ws = identity, workspaceOf(k.c, k.conn, identity)
}

func workspaceOf(c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity) directory.Workspace {
	return directory.Workspace{
		Key: conn.Workspace(identity), TeamName: identity.TeamName,
		Credential: conn.Token, API: conn.API, Namespace: c.Namespace,
	}
}

// authenticated is what is known of a token: whom it belongs to, why it can't be
// asked, or how long to wait.
type authenticated struct {
	identity slack.Identity
	failed   *slack.Error
	wait     time.Duration
	// counted: it is to wait for a failure to pass that it has been told of.
	counted bool
}

// authTest finds out whom the token belongs to, and makes that known at once: by
// what another SlackChannel with the token was told lately, or by asking Slack.
// Whoever asks has the others told of what is new.
func (r *Reconciler) authTest(ctx context.Context, c *v1alpha1.SlackChannel, conn *connection.Connection) authenticated {
	name, now := client.ObjectKeyFromObject(c), r.Clock.Now()
	there := r.tokens.look(name, conn, now, r.need(c, conn, now))
	switch {
	case there.answer != nil:
		a := there.answer
		if a.refusal == nil {
			r.identified(c, conn, a.identity)
		}
		return authenticated{identity: a.identity, failed: a.refusal}
	case there.failure != nil:
		return r.sharedFailure(c, there)
	case !there.ask:
		return authenticated{wait: max(there.wait, time.Millisecond)}
	}
	end, wait := r.turnToAsk(c, conn, now)
	if wait > 0 {
		r.tokens.later(name, conn, now.Add(wait))
		return authenticated{wait: wait}
	}
	identity, err := conn.API.AuthTest(ctx)
	end()
	e := slack.AsError(err)
	switch {
	case e == nil:
		r.identified(c, conn, identity)
	case e.Class == slack.ClassRateLimited:
		r.penalize(r.workspaceOfToken(c, conn), slack.MethodAuthTest, e)
	}
	r.wake(r.tokens.answered(name, conn, now, r.Clock.Now(), identity, e))
	return authenticated{identity: identity, failed: e}
}

// need says how new an answer about the token has to be: a little less than the
// time between two checks, newer than a request and than messages that did not get
// through, and after a delivery was told that the token is no good.
func (r *Reconciler) need(c *v1alpha1.SlackChannel, conn *connection.Connection, now time.Time) need {
	n := need{since: now.Add(-r.checkEvery() * 9 / 10)}
	if requested(c) != "" {
		if at := r.remember(c, func(*memory) {}).requested; at.After(n.since) {
			n.since = at
		}
	}
	if at := r.Health.LastUnreached(client.ObjectKeyFromObject(c)); at.After(n.since) {
		n.since = at
	}
	v, ok := r.Health.Verdict(client.ObjectKeyFromObject(c), conn.Credential)
	if ok && v.Err != nil && (v.Err.Class == slack.ClassInvalidCredentials || v.Err.Class == slack.ClassAccessDenied) {
		n.doubted = v.Last
	}
	return n
}

// sharedFailure is a failure to reach Slack that another's check has met. It counts
// once.
func (r *Reconciler) sharedFailure(c *v1alpha1.SlackChannel, there told) authenticated {
	counted := false
	r.remember(c, func(m *memory) {
		counted = m.failure.Equal(there.failure.at)
		m.failure = there.failure.at
	})
	if counted {
		return authenticated{wait: max(there.wait, time.Millisecond), counted: true}
	}
	return authenticated{failed: there.failure.err}
}

// turnToAsk asks for a slot for auth.test, of whose end the Limiter is to be told,
// or says how long to wait for one.
//
// Until the token itself has told its workspace, only those who have it are made
// to wait for what it answers; they keep to the pace of the workspace of an
// earlier run.
func (r *Reconciler) turnToAsk(c *v1alpha1.SlackChannel, conn *connection.Connection, now time.Time) (end func(), wait time.Duration) {
	keys := []slack.Workspace{r.workspaceOfToken(c, conn)}
	if _, known := r.Health.Facts(c.UID, conn.Credential); !known {
		if stored, ok := connection.StoredWorkspace(c); ok {
			keys = append(keys, stored)
		}
	}
	h := pacing.Holder{Name: conn.Token, Group: c.Namespace}
	var taken []slack.Workspace
	end = func() {
		for _, key := range taken {
			r.Limiter.Done(r.Clock.Now(), key, slack.MethodAuthTest, h.Name)
		}
	}
	for _, key := range keys {
		at, ok := r.Limiter.Reserve(now, key, slack.MethodAuthTest, h)
		if !ok {
			end()
			return nil, max(at.Sub(now), time.Millisecond)
		}
		taken = append(taken, key)
	}
	return end, 0
}

// workspaceOfToken is the workspace that the token has told, or else the token's
// own place.
func (r *Reconciler) workspaceOfToken(c *v1alpha1.SlackChannel, conn *connection.Connection) slack.Workspace {
	facts, _ := r.Health.Facts(c.UID, conn.Credential)
	return conn.Workspace(facts.Identity)
}

// identified tells those who deliver whom the token belongs to, and keeps the
// channel that was found with it.
func (r *Reconciler) identified(c *v1alpha1.SlackChannel, conn *connection.Connection, identity slack.Identity) {
	var channel slack.Conversation
	facts, known := r.Health.Facts(c.UID, conn.Credential)
	if known && facts.Identity.TeamID == identity.TeamID && facts.Identity.BotUserID == identity.BotUserID {
		channel = facts.Channel
	}
	r.learn(c, conn, identity, channel)
}

func (r *Reconciler) wake(names []types.NamespacedName) {
	for _, name := range names {
		r.Wake.Wake(name)
	}
}
