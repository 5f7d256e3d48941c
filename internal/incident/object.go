package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/reference"
)

// newNotification makes a SlackNotification of a rule. It has the rule's labels,
// so that it belongs to the same operator (--watch-label-selector).
func newNotification(rule *v1alpha1.SlackAlert, name, label string) *v1alpha1.SlackNotification {
	n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{
		Namespace: rule.Namespace, Name: name, Labels: map[string]string{},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rule, v1alpha1.GroupVersion.WithKind("SlackAlert"))},
	}}
	// To block the owner's deletion would need rights on its finalizers.
	n.OwnerReferences[0].BlockOwnerDeletion = nil
	for key, value := range rule.Labels {
		n.Labels[key] = value
	}
	n.Labels[v1alpha1.LabelAlert] = alerting.LabelValue(rule.Name)
	n.Labels[v1alpha1.LabelIncident] = label
	n.Spec.ChannelRef = rule.Spec.ChannelRef
	n.Spec.Recipients = rule.Spec.Recipients
	return n
}

func incidentLabel(id string, number int) string { return fmt.Sprintf("%s-%d", id, number) }

// rollupID is the ID in the name of a rule's rollup.
func rollupID(rule *v1alpha1.SlackAlert) string {
	return rollupKey + "-" + alerting.KeyOf(string(rule.UID), []string{rollupKey}).ID[:6]
}

func setState(n *v1alpha1.SlackNotification, s State) {
	data, _ := json.Marshal(s) // nothing that can't be marshalled
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations[StateAnnotation] = string(data)
}

// carried is a new content that keeps what a rule does not say.
func carried(was, is v1alpha1.Content) v1alpha1.Content {
	is.Sender, is.UnfurlLinks = was.Sender, was.UnfurlLinks
	return is
}

// withNote adds a line to the text of a message.
func withNote(c v1alpha1.Content, note string) v1alpha1.Content {
	if note != "" {
		c.Text = strings.TrimPrefix(c.Text+"\n"+note, "\n")
	}
	return c
}

func keyOf(n *v1alpha1.SlackNotification) client.ObjectKey { return client.ObjectKeyFromObject(n) }

func ownedBy(n *v1alpha1.SlackNotification, rule *v1alpha1.SlackAlert) bool {
	return metav1.IsControlledBy(n, rule)
}

// replyResolved ends the name of the reply that tells of the end.
const replyResolved = "resolved"

// reply makes a reply in the thread of an incident, once: its name says which
// one it is.
func (a *applying) reply(ctx context.Context, i *incident, which string, content v1alpha1.Content) error {
	n := newNotification(a.rule, i.object.Name+"-"+which, i.object.Labels[v1alpha1.LabelIncident])
	n.Spec.ChannelRef, n.Spec.Recipients = i.object.Spec.ChannelRef, i.object.Spec.Recipients
	if !a.byWebhook(ctx, i.object) {
		n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: i.object.Name}}
	}
	n.Spec.Content = content
	err := a.create(ctx, a.m, n)
	a.out.Writes++
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// byWebhook reports whether a message goes by an incoming webhook, which can
// neither edit nor reply. Then the end of an incident is a message of its own.
func (s *Store) byWebhook(ctx context.Context, n *v1alpha1.SlackNotification) bool {
	c := &v1alpha1.SlackChannel{}
	return s.Client.Get(ctx, reference.Channel(n.Spec.ChannelRef, n.Namespace), c) == nil && c.Spec.Webhook != nil
}
