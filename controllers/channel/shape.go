package channel

import (
	"context"
	"regexp"
	"strings"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// shape gives the channel its name, topic and purpose where they differ. Each
// change posts a notice in the channel, so nothing is set that is as it should be.
func (r *Reconciler) shape(ctx context.Context, v *visit, found *slack.Conversation) (outcome, bool) {
	if o, ok := r.rename(ctx, v, found); !ok {
		return o, false
	}
	spec, set := v.c.Spec.Manage, false
	for _, text := range []struct {
		what   string
		want   *string
		have   string
		known  *wording
		done   *bool
		method string
		call   func(context.Context, string, string) error
	}{
		{"topic", spec.Topic, found.Topic, &v.own.topic, &v.own.topicSet, slack.MethodConversationsSetTopic, v.conn.API.SetTopic},
		{"purpose", spec.Purpose, found.Purpose, &v.own.purpose, &v.own.purposeSet, slack.MethodConversationsSetPurpose, v.conn.API.SetPurpose},
	} {
		if text.want == nil || !text.known.differs(*text.want, text.have, *text.done) {
			continue
		}
		if o, ok := r.slot(v, text.method); !ok {
			return o, false
		}
		if err := text.call(ctx, found.ID, *text.want); err != nil {
			return r.refused(v, err, "correct spec.manage."+text.what+", or let the app set it"), false
		}
		*text.done, set = true, true
		ctrl.LoggerFrom(ctx).Info("Set the "+text.what+" of a channel", "channel", found.ID)
	}
	if set {
		// What Slack has made of it is read once.
		v.own.asked = ""
		return v.again("its topic or purpose was set"), false
	}
	return outcome{}, true
}

// rename gives the channel its name back, or a new one.
func (r *Reconciler) rename(ctx context.Context, v *visit, found *slack.Conversation) (outcome, bool) {
	if found.Name == v.name || v.own.renamed {
		return outcome{}, true
	}
	if o, ok := r.slot(v, slack.MethodConversationsRename); !ok {
		return o, false
	}
	renamed, err := v.conn.API.RenameConversation(ctx, found.ID, v.name)
	if err != nil {
		// An answer that did not come leaves it open which name it has.
		v.own.asked = ""
		return r.refused(v, err, "a bot may rename only what it has created, and what the workspace's settings let it: rename the channel to "+v.name+", or correct spec.webAPI.channel"), false
	}
	ctrl.LoggerFrom(ctx).Info("Renamed a channel", "channel", found.ID, "from", found.Name, "to", renamed.Name)
	v.own.renamed = true
	found.Name = renamed.Name
	r.Directory.Remember(v.ws, *found)
	return outcome{}, true
}

// differs reports whether a text has to be set. What Slack makes of one that
// was just set, in a way that is not foreseen here, is taken for the text:
// otherwise it would be set for ever.
func (w *wording) differs(want, have string, justSet bool) bool {
	if sameText(want, have) || *w == (wording{want, have}) {
		return false
	}
	if justSet {
		*w = wording{want, have}
		return false
	}
	return true
}

var (
	// link is how Slack stores an address in a topic.
	link = regexp.MustCompile(`<((?:https?://|mailto:)[^|>]*)(?:\|([^>]*))?>`)
	// Slack escapes these, and no others (docs.slack.dev/messaging/formatting-message-text).
	unescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")
)

// sameText compares what was asked for with what Slack has stored.
func sameText(want, have string) bool {
	want, have = strings.TrimSpace(want), strings.TrimSpace(have)
	if want == have {
		return true
	}
	have = link.ReplaceAllStringFunc(have, func(whole string) string {
		parts := link.FindStringSubmatch(whole)
		if parts[2] != "" {
			return parts[2]
		}
		return parts[1]
	})
	return unescape.Replace(have) == want
}
