package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// alerts is POST /v1/…/alerts/…: what an Alertmanager posts for a SlackAlert.
func (s *Server) alerts(w http.ResponseWriter, r *http.Request, to route) *answer {
	if _, refused := s.authorize(r, to.namespace); refused != nil {
		return refused
	}
	data, release, refused := s.body(w, r)
	defer release()
	if refused != nil {
		return refused
	}
	return s.work(r.Context(), func(ctx context.Context) *answer {
		rule, refused := s.rule(ctx, to)
		if refused != nil {
			return refused
		}
		return received(s.Alerts.Receive(ctx, rule, data), to)
	})
}

// rule is the SlackAlert that a request is for.
func (s *Server) rule(ctx context.Context, to route) (*v1alpha1.SlackAlert, *answer) {
	if s.Alerts == nil {
		return nil, refuse(http.StatusNotFound, "this operator does not look after SlackAlerts")
	}
	if !s.Watches(to.namespace) {
		return nil, refuse(http.StatusNotFound, "this operator does not look after namespace %q", to.namespace)
	}
	rule := &v1alpha1.SlackAlert{}
	err := s.Live.Get(ctx, types.NamespacedName{Namespace: to.namespace, Name: to.name}, rule)
	switch {
	case apierrors.IsNotFound(err):
		return nil, noRule(to)
	case err != nil:
		return nil, again(5, err, "the SlackAlert could not be read")
	case !s.Shard.Matches(labels.Set(rule.Labels)):
		return nil, refuse(http.StatusNotFound, "SlackAlert %q in namespace %q has labels of another operator, to which it must be posted", to.name, to.namespace)
	case rule.Spec.Source.Alertmanager == nil:
		return nil, refuse(http.StatusConflict, "SlackAlert %q in namespace %q takes no posts; set its spec.source.alertmanager", to.name, to.namespace)
	}
	return rule, nil
}

func noRule(to route) *answer {
	return refuse(http.StatusNotFound, "there is no SlackAlert %q in namespace %q", to.name, to.namespace)
}

// received answers what the receiver says.
func received(err error, to route) *answer {
	var unreadable *alertmanager.PayloadError
	var unstored *incident.RefusedError
	switch {
	case err == nil:
		return &answer{code: http.StatusOK, text: "stored\n"}
	case errors.As(err, &unreadable):
		return refuse(http.StatusBadRequest, "%s", unreadable.Reason)
	case apierrors.IsNotFound(err):
		return noRule(to)
	case errors.Is(err, incident.ErrSuspended):
		return again(60, nil, fmt.Sprintf("SlackAlert %q in namespace %q is suspended", to.name, to.namespace))
	case errors.Is(err, incident.ErrTooManyAlerts):
		return again(300, nil, fmt.Sprintf("SlackAlert %q in namespace %q is not at work, because the namespace has too many", to.name, to.namespace))
	case errors.As(err, &unstored):
		return notTaken(unstored.Words)
	case refusal(err):
		return notTaken(reason(err))
	}
	return again(5, err, "the alerts could not be stored")
}
