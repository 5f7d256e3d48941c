package channel

import (
	"context"
	"regexp"
	"strings"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// setProperties gives the channel its name, topic and purpose where they differ.
// Each change posts a notice in the channel, so nothing is set that is as it
// should be.
func (r *Reconciler) setProperties(ctx context.Context, k *check, found *slack.Conversation) *outcome {
	if stop := r.rename(ctx, k, found); stop != nil {
		return stop
	}
	spec, set := k.c.Spec.Manage, false
	for _, text := range []struct {
		what   string
		want   *string
		have   string
		known  *storedText
		done   *bool
		method string
		call   func(context.Context, string, string) error
	}{
		{"topic", spec.Topic, found.Topic, &k.managed.topic, &k.managed.topicSet, slack.MethodConversationsSetTopic, k.conn.API.SetTopic},
		{"purpose", spec.Purpose, found.Purpose, &k.managed.purpose, &k.managed.purposeSet, slack.MethodConversationsSetPurpose, k.conn.API.SetPurpose},
	} {
		if text.want == nil || !text.known.differs(*text.want, text.have, *text.done) {
			continue
		}
		end, stop := r.slot(k, text.method)
		if stop != nil {
			return stop
		}
		err := text.call(ctx, found.ID, *text.want)
		if end(); err != nil {
			return r.refused(k, err, "correct spec.manage."+text.what+", or let the app set it")
		}
		*text.done, set = true, true
		ctrl.LoggerFrom(ctx).Info("Set the "+text.what+" of a channel", "channel", found.ID)
	}
	if set {
		// What Slack has made of it is read once.
		k.managed.asked = ""
		return k.requeueNow("its topic or purpose was set")
	}
	return nil
}

// rename gives the channel its name back, or a new one.
func (r *Reconciler) rename(ctx context.Context, k *check, found *slack.Conversation) *outcome {
	if found.Name == k.managed.name || k.managed.renamed {
		return nil
	}
	end, stop := r.slot(k, slack.MethodConversationsRename)
	if stop != nil {
		return stop
	}
	renamed, err := k.conn.API.RenameConversation(ctx, found.ID, k.managed.name)
	if end(); err != nil {
		// An answer that did not come leaves it open which name it has.
		k.managed.asked = ""
		return r.refused(k, err, "a bot may rename only what it has created, and what the workspace's settings let it: rename the channel to "+k.managed.name+", or correct spec.webAPI.channel")
	}
	ctrl.LoggerFrom(ctx).Info("Renamed a channel", "channel", found.ID, "from", found.Name, "to", renamed.Name)
	k.managed.renamed = true
	found.Name = renamed.Name
	r.Directory.Remember(k.ws, *found)
	return nil
}

// differs reports whether a text has to be set. What Slack makes of one that
// was just set, in a way that is not foreseen here, is taken for the text:
// otherwise it would be set for ever.
func (w *storedText) differs(want, have string, justSet bool) bool {
	if sameText(want, have) || *w == (storedText{want, have}) {
		return false
	}
	if justSet {
		*w = storedText{want, have}
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
