package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// tailing are the flags of tail.
type tailing struct {
	all      bool
	selector string
	since    time.Duration
	follow   bool
}

func (a *app) tailCommand() *cobra.Command {
	t := &tailing{}
	c := &cobra.Command{
		Use:   "tail",
		Short: "Watch messages go out",
		Long: `Watch messages go out: for each delivery that changes a line with the time, the
severity, the SlackNotification, the recipient, what became of it, and the link to the
message or the reason.`,
		Example: `
  # Those of all namespaces, from an hour ago on
  kubectl slack tail -A --since 1h

  # Those of one rule, without waiting for more
  kubectl slack tail -l slack.notify.dev/alert=rollouts --since 24h --follow=false`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.tail(c.Context(), t) },
	}
	f := c.Flags()
	f.BoolVarP(&t.all, "all-namespaces", "A", false, "Those of all namespaces.")
	f.StringVarP(&t.selector, "selector", "l", "", "Those with these labels.")
	f.DurationVar(&t.since, "since", 0, "Begin with what has happened within this time.")
	f.BoolVar(&t.follow, "follow", true, "Wait for more, until Ctrl-C.")
	return c
}

// tail remembers what was told, so that nothing is told twice.
type tail struct {
	app  *app
	all  bool
	told map[types.UID]map[string]string
}

func (a *app) tail(ctx context.Context, t *tailing) error {
	selector, err := labels.Parse(t.selector)
	if err != nil {
		return err
	}
	options := []client.ListOption{client.MatchingLabelsSelector{Selector: selector}}
	if !t.all {
		ns, err := a.namespace()
		if err != nil {
			return err
		}
		options = append(options, client.InNamespace(ns))
	}
	cluster, err := a.client()
	if err != nil {
		return err
	}
	printed := &tail{app: a, all: t.all, told: map[types.UID]map[string]string{}}
	from := a.now().Add(-t.since)
	for {
		version, err := printed.list(ctx, cluster, options, from)
		if err != nil || !t.follow {
			return err
		}
		from = time.Time{} // what a broken watch has missed is told, however old
		if err := printed.watch(ctx, cluster, options, version); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// list tells of what there is, and returns the version to watch from.
func (t *tail) list(ctx context.Context, cluster client.Reader, options []client.ListOption, from time.Time) (string, error) {
	list := &v1alpha1.SlackNotificationList{}
	if err := cluster.List(ctx, list, options...); err != nil {
		return "", err
	}
	for i := range list.Items {
		t.see(&list.Items[i], from)
	}
	return list.ResourceVersion, nil
}

// watch tells of what changes, until the watch ends.
func (t *tail) watch(ctx context.Context, cluster client.WithWatch, options []client.ListOption, version string) error {
	options = append(options[:len(options):len(options)], resourceVersion(version))
	w, err := cluster.Watch(ctx, &v1alpha1.SlackNotificationList{}, options...)
	if err != nil {
		if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			return nil
		}
		return err
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		n, ok := event.Object.(*v1alpha1.SlackNotification)
		switch {
		case !ok:
			return nil // an error, after which the list is read again
		case event.Type == watch.Deleted:
			delete(t.told, n.UID)
		default:
			t.see(n, time.Time{})
		}
	}
	return nil
}

// resourceVersion has a watch begin there.
type resourceVersion string

// ApplyToList implements client.ListOption.
func (v resourceVersion) ApplyToList(o *client.ListOptions) {
	if o.Raw == nil {
		o.Raw = &metav1.ListOptions{}
	}
	o.Raw.ResourceVersion = string(v)
}

// see tells of the deliveries of a message that have changed since it was seen last,
// and not before a time.
func (t *tail) see(n *v1alpha1.SlackNotification, from time.Time) {
	told := t.told[n.UID]
	if told == nil {
		told = map[string]string{}
		t.told[n.UID] = told
	}
	for _, d := range n.Status.Deliveries {
		at, what := whenOf(n, d), whatOf(d)
		state := what // and which content, as each edit is told in the same words
		if d.State == v1alpha1.DeliveryDelivered {
			state += " " + d.Timestamp + " " + d.ContentHash
		}
		if told[d.Recipient] == state {
			continue
		}
		told[d.Recipient] = state
		if at.Before(from) {
			continue
		}
		name := n.Name
		if t.all {
			name = n.Namespace + "/" + n.Name
		}
		severity := string(n.Spec.Severity)
		if severity == "" {
			severity = "-"
		}
		t.app.say("%s", strings.TrimRight(fmt.Sprintf("%s %-8s %s %s %s", at.Local().Format(time.TimeOnly), severity, name, d.Recipient, what), " "))
	}
}

// whenOf is when the last thing happened to a delivery.
func whenOf(n *v1alpha1.SlackNotification, d v1alpha1.Delivery) time.Time {
	at := n.CreationTimestamp.Time
	if d.LastAttemptAt != nil && d.LastAttemptAt.After(at) {
		at = d.LastAttemptAt.Time
	}
	if d.DeliveredAt != nil && d.DeliveredAt.After(at) {
		at = d.DeliveredAt.Time
	}
	if d.EditedAt != nil && d.EditedAt.After(at) {
		at = d.EditedAt.Time
	}
	return at
}

// whatOf is what became of a delivery, in a line.
func whatOf(d v1alpha1.Delivery) string {
	switch {
	case d.State != v1alpha1.DeliveryDelivered:
		return strings.TrimSpace(fmt.Sprintf("%s %s: %s", d.State, d.Reason, d.Message))
	case d.EditedAt != nil:
		return "Edited " + d.Permalink
	case d.Permalink != "":
		return "Delivered " + d.Permalink
	}
	return "Delivered"
}
