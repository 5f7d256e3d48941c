package main

import (
	"context"
	"os"

	"k8s.io/client-go/rest"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// act is something that happens in the demo once others have been delivered.
type act struct {
	// after are the notifications that must be delivered first.
	after []string
	says  string
	do    func(ctx context.Context, config *rest.Config) error
	done  bool
}

// story of the demo, as a pipeline would tell it.
func story() []*act {
	return []*act{{
		after: []string{"web-43", "web-43-migrated"},
		says:  "web 43 is deployed: applying config/samples/later/deploy_finished.yaml, which edits the first message",
		do:    applyFile("config/samples/later/deploy_finished.yaml"),
	}}
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

// play does what is due, and reports whether all has been done.
func play(ctx context.Context, config *rest.Config, acts []*act, list []v1alpha1.SlackNotification) (bool, error) {
	delivered := map[string]bool{}
	for i := range list {
		delivered[list[i].Name] = isDelivered(&list[i])
	}
	over := true
	for _, a := range acts {
		if a.done {
			continue
		}
		over = false
		due := true
		for _, name := range a.after {
			due = due && delivered[name]
		}
		if !due {
			continue
		}
		say("%-10s %s", "", "==> "+a.says)
		if err := a.do(ctx, config); err != nil {
			return false, err
		}
		a.done = true
	}
	return over, nil
}

// isDelivered reports whether what is asked for now is in Slack.
func isDelivered(n *v1alpha1.SlackNotification) bool {
	return n.Status.Phase == v1alpha1.PhaseDelivered && n.Status.ObservedGeneration == n.Generation
}
