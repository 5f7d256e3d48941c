package channel

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// claimIndex finds the SlackChannels that claim a name or a channel.
const claimIndex = "spec.manage.claims"

// claims of a SlackChannel: the name that it wants, and the channel that it owns.
func claims(c *v1alpha1.SlackChannel) []string {
	if c.Spec.Manage == nil || wantedName(c) == "" {
		return nil
	}
	out := []string{"name/" + wantedName(c)}
	if c.Status.Managed != "" {
		out = append(out, "id/"+c.Status.Managed)
	}
	return out
}

// claim makes sure that no older SlackChannel claims the name or the channel.
func (r *Reconciler) claim(ctx context.Context, k *check, id string) *outcome {
	others, err := r.claimants(ctx, k.c, id)
	if err != nil {
		return k.waiting("the SlackChannels that may claim the same channel could not be listed; the check is repeated by itself", pauseAfter(0))
	}
	for i := range others {
		other := &others[i]
		if !older(other, k.c) || !collides(other, k.ws.Key, k.managed.name, id) {
			continue
		}
		if other.Status.Managed == k.c.Status.Managed {
			k.c.Status.Managed = ""
		}
		return stalled(v1alpha1.ReasonChannelClaimed, fmt.Sprintf(
			"SlackChannel %s/%s, which is older, manages channel #%s of workspace %s already: name another channel in spec.webAPI.channel, or delete one of the two SlackChannels; it is checked again as soon as the other one changes",
			other.Namespace, other.Name, k.managed.name, describe(k.identity)))
	}
	return nil
}

// claimants are the other SlackChannels, of all namespaces, that claim the same
// name or the channel id.
func (r *Reconciler) claimants(ctx context.Context, c *v1alpha1.SlackChannel, id string) ([]v1alpha1.SlackChannel, error) {
	keys := []string{"name/" + wantedName(c)}
	if id != "" {
		keys = append(keys, "id/"+id)
	}
	var out []v1alpha1.SlackChannel
	seen := map[client.ObjectKey]bool{client.ObjectKeyFromObject(c): true}
	for _, key := range keys {
		list := &v1alpha1.SlackChannelList{}
		if err := r.Client.List(ctx, list, client.MatchingFields{claimIndex: key}); err != nil {
			return nil, err
		}
		for i := range list.Items {
			if name := client.ObjectKeyFromObject(&list.Items[i]); !seen[name] {
				seen[name] = true
				out = append(out, list.Items[i])
			}
		}
	}
	return out, nil
}

// collides reports whether a SlackChannel claims the channel id, or a name in
// a workspace. One that says itself that it could not have the name does not, and
// nobody claims anything in another trust domain: what is Slack there may not be.
func collides(c *v1alpha1.SlackChannel, workspace slack.Workspace, name, id string) bool {
	if connection.DomainOf(c) != workspace.Domain() {
		return false
	}
	if id != "" && c.Status.Managed == id {
		return true
	}
	stored, ok := connection.StoredWorkspace(c)
	if !ok || stored.AllApps() != workspace.AllApps() || wantedName(c) != name {
		return false
	}
	ready := conditions.Find(c, v1alpha1.ConditionReady)
	return ready == nil || ready.Reason != v1alpha1.ReasonNameTaken || ready.ObservedGeneration != c.Generation
}

// older orders by the time of creation, then by namespace and name.
func older(a, b *v1alpha1.SlackChannel) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	if a.Namespace != b.Namespace {
		return a.Namespace < b.Namespace
	}
	return a.Name < b.Name
}

// claimChanged lets through what can matter to those that claim the same.
func claimChanged() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return claimState(e.Object) != "" },
		DeleteFunc: func(e event.DeleteEvent) bool { return claimState(e.Object) != "" },
		UpdateFunc: func(e event.UpdateEvent) bool { return claimState(e.ObjectOld) != claimState(e.ObjectNew) },
	}
}

// claimState is what others see of a claim; empty for what claims nothing.
func claimState(o client.Object) string {
	c, ok := o.(*v1alpha1.SlackChannel)
	if !ok || c.Spec.Manage == nil {
		return ""
	}
	parts := claims(c)
	if c.Status.Workspace != nil {
		parts = append(parts, c.Status.Workspace.ID, connection.DomainOf(c).Namespace())
	}
	if c.Status.Channel != nil {
		parts = append(parts, c.Status.Channel.Name)
	}
	if ready := conditions.Find(c, v1alpha1.ConditionReady); ready != nil && ready.Reason == v1alpha1.ReasonNameTaken {
		parts = append(parts, ready.Reason)
	}
	return strings.Join(parts, " ")
}

// claimantsOf wakes those that claim the same as a SlackChannel that has changed.
func (r *Reconciler) claimantsOf(ctx context.Context, o client.Object) []reconcile.Request {
	c, ok := o.(*v1alpha1.SlackChannel)
	if !ok || c.Spec.Manage == nil {
		return nil
	}
	others, err := r.claimants(ctx, c, c.Status.Managed)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "finding the SlackChannels that claim the same channel")
		return nil
	}
	var requests []reconcile.Request
	for i := range others {
		if r.mine(&others[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&others[i])})
		}
	}
	return requests
}

// mine reports whether a SlackChannel is for this operator to reconcile.
func (r *Reconciler) mine(c *v1alpha1.SlackChannel) bool {
	return r.shard == nil || r.shard.Matches(labels.Set(c.Labels))
}
