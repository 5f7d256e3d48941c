package channel

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// What ExactlyOnce says before and after a message has been read back.
const (
	unproven  = "the operator may read back what it has posted; the first message will show that it is recognised"
	proven    = "the operator can read back what it has posted, as a message has shown"
	disproven = "Slack gave a message back without the metadata by which the operator recognises it, so duplicates can't be ruled out"
)

// prove reads the first message back, once: Slack does not document that the
// metadata by which messages are recognised is kept for every app. It returns,
// when not 0, when to look again.
//
// What an earlier proof of this credential has shown stands until there is
// another: without it a restart would forget that messages can't be recognised.
func (r *Reconciler) prove(ctx context.Context, k *check, found slack.Conversation) (*metav1.Condition, time.Duration) {
	stands := verifiable(unproven)
	was := conditions.Find(k.c, v1alpha1.ConditionExactlyOnce)
	if was != nil && k.sameCredential && k.c.Status.Channel != nil && k.c.Status.Channel.ID == found.ID {
		switch {
		case was.Status == metav1.ConditionTrue && was.Message == proven:
			return verifiable(proven), 0
		case was.Reason == v1alpha1.ReasonMetadataNotReturned:
			stands = unrecognisable()
		}
	}
	first, ok := r.Health.FirstPost(client.ObjectKeyFromObject(k.c), k.conn.Credential)
	if !ok || first.Conversation != found.ID || first.Timestamp == k.unproven {
		return stands, 0
	}
	now := r.Clock.Now()
	if wait := first.At.Add(readback.SettleTime).Sub(now); wait > 0 {
		return stands, wait
	}
	at := readback.Place{Workspace: k.ws.Key, Conversation: found.ID}
	a := r.Readback.One(ctx, r.Clock.Now, k.conn.API, at, k.conn.Credential, first.Timestamp, holder(k.c, "proof of "+found.ID))
	if a.Kind == readback.Later {
		return stands, max(a.At.Sub(now), time.Millisecond)
	}
	// Whatever has come of it, this message is not read again.
	r.remember(k.c, func(m *memory) { m.unproven = first.Timestamp })
	switch {
	case a.Kind == readback.Found && a.Stripped:
		return unrecognisable(), 0
	case a.Kind == readback.Found:
		return verifiable(proven), 0
	}
	return stands, 0
}

func unrecognisable() *metav1.Condition {
	return &metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonMetadataNotReturned, Message: disproven}
}
