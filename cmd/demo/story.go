package main

import (
	"context"
	"os"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// act is something that happens in the demo once others have been delivered.
type act struct {
	// due tells when it is time, by what has been delivered.
	due  func(list []v1alpha1.SlackNotification) bool
	says string
	do   func(ctx context.Context, config *rest.Config) error
	done bool
}

// story of the demo: a deployment as a pipeline would tell it, and an alert.
func story() []*act {
	return []*act{{
		due:  named("web-43", "web-43-migrated"),
		says: "web 43 is deployed: applying config/samples/later/deploy_finished.yaml, which edits the first message",
		do:   applyFile("config/samples/later/deploy_finished.yaml"),
	}, {
		due:  named("web-43"),
		says: "the Deployment shop (config/samples/later/shop.yaml) is not available: SlackAlert deployments tells of it in 3 seconds",
		do:   shop(corev1.ConditionFalse, "Deployment does not have minimum availability."),
	}, {
		due:  alerted(v1alpha1.SeverityError),
		says: "the Deployment shop is available again: the same message turns green",
		do:   shop(corev1.ConditionTrue, "Deployment has minimum availability."),
	}, {
		due:  alerted(v1alpha1.SeveritySuccess),
		says: "the alert is over",
		do:   func(context.Context, *rest.Config) error { return nil },
	}}
}

// named waits for notifications by their names.
func named(names ...string) func([]v1alpha1.SlackNotification) bool {
	return func(list []v1alpha1.SlackNotification) bool {
		delivered := 0
		for i := range list {
			if slices.Contains(names, list[i].Name) && isDelivered(&list[i]) {
				delivered++
			}
		}
		return delivered == len(names)
	}
}

// alerted waits for the notification of the SlackAlert.
func alerted(severity v1alpha1.Severity) func([]v1alpha1.SlackNotification) bool {
	return func(list []v1alpha1.SlackNotification) bool {
		return slices.ContainsFunc(list, func(n v1alpha1.SlackNotification) bool {
			return n.Labels[v1alpha1.LabelAlert] == "deployments" && n.Spec.Severity == severity && isDelivered(&n)
		})
	}
}

// shop has the Deployment be available or not. Nothing runs Pods here, so that
// nobody else writes its status.
func shop(available corev1.ConditionStatus, message string) func(context.Context, *rest.Config) error {
	return func(ctx context.Context, config *rest.Config) error {
		if err := applyFile("config/samples/later/shop.yaml")(ctx, config); err != nil {
			return err
		}
		c, err := client.New(config, client.Options{})
		if err != nil {
			return err
		}
		d := &appsv1.Deployment{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: "shop"}, d); err != nil {
			return err
		}
		d.Status.Conditions = []appsv1.DeploymentCondition{{
			Type: appsv1.DeploymentAvailable, Status: available, Reason: "MinimumReplicas", Message: message, LastTransitionTime: metav1.Now(),
		}}
		return c.Status().Update(ctx, d)
	}
}

func applyFile(path string) func(context.Context, *rest.Config) error {
	return func(ctx context.Context, config *rest.Config) error {
		data, err := os.ReadFile(path) //nolint:gosec // a file of the project
		if err != nil {
			return err
		}
		return devcluster.Apply(ctx, config, data)
	}
}

// play does the next thing when it is due, and reports whether all has been
// done.
func play(ctx context.Context, config *rest.Config, acts []*act, list []v1alpha1.SlackNotification) (bool, error) {
	for _, a := range acts {
		if a.done {
			continue
		}
		if !a.due(list) {
			return false, nil
		}
		say("%-10s %s", "", "==> "+a.says)
		if err := a.do(ctx, config); err != nil {
			return false, err
		}
		a.done = true
		return false, nil
	}
	return true, nil
}

// isDelivered reports whether what is asked for now is in Slack.
func isDelivered(n *v1alpha1.SlackNotification) bool {
	return n.Status.Phase == v1alpha1.PhaseDelivered && n.Status.ObservedGeneration == n.Generation
}
