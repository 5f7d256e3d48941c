package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/reference"
)

// newNotification makes a SlackNotification of a rule. It has the rule's labels,
// so that it belongs to the same operator (--watch-label-selector), but for those
// by which tools know what they own.
func (s *Store) newNotification(rule *v1alpha1.SlackAlert, name, label string) *v1alpha1.SlackNotification {
	n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{
		Namespace: rule.Namespace, Name: name, Labels: map[string]string{},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rule, v1alpha1.GroupVersion.WithKind("SlackAlert"))},
	}}
	// To block the owner's deletion would need rights on its finalizers.
	n.OwnerReferences[0].BlockOwnerDeletion = nil
	for key, value := range rule.Labels {
		if !ownership(key) || s.inShard(key) {
			n.Labels[key] = value
		}
	}
	n.Labels[v1alpha1.LabelAlert] = alerting.LabelValue(rule.Name)
	n.Labels[v1alpha1.LabelIncident] = label
	n.Spec.ChannelRef = rule.Spec.ChannelRef
	n.Spec.Recipients = rule.Spec.Recipients
	return n
}

// ownershipDomains are those whose labels, in them and below them, tell a tool that
// an object is one of those that it applies, and so prunes:
// kubernetes.io/docs/reference/labels-annotations-taints (ApplySet),
// fluxcd.io/flux/components/kustomize/kustomizations (garbage collection),
// argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking,
// carvel.dev/kapp/docs, fleet.rancher.io, helm.sh/docs/chart_best_practices/labels,
// github.com/rancher/wrangler (objectset), and the kinds of kpt, kustomize and
// Config Sync.
var ownershipDomains = []string{
	"applyset.kubernetes.io", "toolkit.fluxcd.io", "fluxcd.io", "argoproj.io", "objectset.rio.cattle.io", "fleet.cattle.io",
	"kapp.k14s.io", "helm.sh", "kustomize.config.k8s.io", "kustomize.k8s.io", "cli-utils.sigs.k8s.io", "configsync.gke.io",
	"configmanagement.gke.io", "addonmanager.kubernetes.io", "operators.coreos.com",
}

// ownershipLabels are single ones. Argo CD tracks by app.kubernetes.io/instance
// unless it is told otherwise.
var ownershipLabels = []string{"app.kubernetes.io/managed-by", "app.kubernetes.io/instance"}

// ownership reports whether a label tells a tool that it owns an object.
func ownership(label string) bool {
	domain, _, prefixed := strings.Cut(label, "/")
	for _, d := range ownershipDomains {
		if prefixed && (domain == d || strings.HasSuffix(domain, "."+d)) {
			return true
		}
	}
	return slices.Contains(ownershipLabels, label)
}

// inShard reports whether this operator's selector asks for a label.
func (s *Store) inShard(label string) bool {
	if s.Shard == nil {
		return false
	}
	requirements, _ := s.Shard.Requirements()
	return slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() == label })
}

func incidentLabel(id string, number int) string { return fmt.Sprintf("%s-%d", id, number) }

// nameID is the ID of a group in the names of its incidents. Those of keys differ
// by rule; that of the overflow is made so.
func nameID(rule *v1alpha1.SlackAlert, key string) string {
	if key == overflowKey {
		return overflowKey + "-" + alerting.KeyOf(string(rule.UID), []string{overflowKey}).ID[:6]
	}
	return key
}

func setState(n *v1alpha1.SlackNotification, s State) {
	data, _ := json.Marshal(s) // nothing that can't be marshalled
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations[StateAnnotation] = string(data)
}

// withSender is a new content that keeps what a rule does not say.
func withSender(was, is v1alpha1.Content) v1alpha1.Content {
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
func (a *session) reply(ctx context.Context, i *incident, which string, content v1alpha1.Content) error {
	n := a.newReply(ctx, i, which)
	n.Spec.Content = content
	return a.createOnce(ctx, n)
}

// newReply is a reply in the thread of an incident that says nothing yet.
func (a *session) newReply(ctx context.Context, i *incident, which string) *v1alpha1.SlackNotification {
	n := a.newNotification(a.rule, i.object.Name+"-"+which, i.object.Labels[v1alpha1.LabelIncident])
	n.Spec.ChannelRef, n.Spec.Recipients = i.object.Spec.ChannelRef, i.object.Spec.Recipients
	if !a.byWebhook(ctx, i.object) {
		n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: i.object.Name}}
	}
	n.Spec.NotBefore = a.muted
	return n
}

// createOnce stores a SlackNotification if there is none of that name.
func (a *session) createOnce(ctx context.Context, n *v1alpha1.SlackNotification) error {
	err := a.create(ctx, a.m, n)
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
