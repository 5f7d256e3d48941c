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
func (s *Server) alerts(r *http.Request, to route) *answer {
	if _, refused := s.authorize(r, to.namespace); refused != nil {
		return refused
	}
	body, refused := s.posted(r, to.namespace)
	defer body.release()
	if refused != nil {
		return refused
	}
	return s.work(r.Context(), func(ctx context.Context) *answer {
		rule, refused := s.rule(ctx, to)
		switch {
		case refused != nil:
			return refused
		case body.post == nil:
			return received(s.Alerts.Receive(ctx, rule, body.data), to)
		case rule.Spec.Source.Alertmanager == nil:
			return s.tooLarge()
		}
		if told := received(s.Alerts.ReceivePost(ctx, rule, *body.post), to); told.code != http.StatusOK || !body.post.Partial {
			return told
		}
		return refuse(http.StatusRequestEntityTooLarge, "the body is larger than %s and was not read to its end, which is told by SlackAlert %q in namespace %q; "+
			"post smaller groups (group_by), or set max_alerts", size(s.limits.Alerts), to.name, to.namespace)
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
