package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// findLeaks looks for planted secrets in every status, Event and metric that
// the tests have left; the log is searched when the operator has ended.
func findLeaks(ctx context.Context) error {
	var errs []error
	lists := []client.ObjectList{&v1alpha1.SlackChannelList{}, &v1alpha1.SlackNotificationList{}, &v1alpha1.SlackAlertList{}, &corev1.EventList{}, &eventsv1.EventList{}}
	for _, list := range lists {
		if err := env.client.List(ctx, list); err != nil {
			return err
		}
		data, err := json.Marshal(list)
		if err != nil {
			return err
		}
		errs = append(errs, leak(fmt.Sprintf("a %T", list), data))
	}
	data, err := harness.Fetch(env.shared.Metrics)
	if err != nil {
		return err
	}
	return errors.Join(append(errs, leak("the metrics", data))...)
}

func leak(where string, data []byte) error {
	if i := bytes.Index(data, []byte(harness.Planted)); i >= 0 {
		return fmt.Errorf("%s holds a secret: …%s…", where, data[max(0, i-400):min(len(data), i+100)])
	}
	return nil
}
