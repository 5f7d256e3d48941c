package main

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// follow prints each notification as it changes. With once it ends when all
// are delivered, and fails when they are not in time.
func follow(ctx context.Context, config *rest.Config, slackURL string, once bool) error {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	if once {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	fmt.Printf("%-10s %-14s %-26s %-12s %-8s %s\n", "TIME", "NAMESPACE", "NOTIFICATION", "PHASE", "REACHED", "WHAT")
	shown, acts := map[client.ObjectKey]string{}, story()
	for {
		list := &v1alpha1.SlackNotificationList{}
		if err := c.List(ctx, list); err != nil && ctx.Err() == nil {
			return err
		}
		delivered := 0
		for i := range list.Items {
			n := &list.Items[i]
			if isDelivered(n) {
				delivered++
			}
			if line := describe(n); shown[client.ObjectKeyFromObject(n)] != line {
				shown[client.ObjectKeyFromObject(n)] = line
				fmt.Printf("%-10s %s\n", time.Now().Format("15:04:05"), line)
			}
		}
		over, err := play(ctx, config, acts, list.Items)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if once && over && len(list.Items) > 0 && delivered == len(list.Items) {
			say("\nAll %d notifications are delivered. Without ONCE=1 the demo goes on, and shows them at %s.", delivered, slackURL)
			return nil
		}
		select {
		case <-ctx.Done():
			if once {
				return fmt.Errorf("%d of %d notifications were delivered within %s", delivered, len(list.Items), limit)
			}
			say("\nThe demo ends.")
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// describe a notification in a line.
func describe(n *v1alpha1.SlackNotification) string {
	phase, what := string(n.Status.Phase), ""
	if phase == "" {
		phase = "-"
	}
	if ready := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		what = ready.Message
	}
	for i := range n.Status.Deliveries {
		if n.Status.Deliveries[i].EditedAt != nil {
			what += " (edited)"
			break
		}
	}
	return fmt.Sprintf("%-14s %-26s %-12s %-8s %s", n.Namespace, n.Name, phase, n.Status.Summary, what)
}
