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
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// alerts is POST /v1/…/alerts/…: what an Alertmanager, or whoever else, posts for
// a SlackAlert.
func (s *Server) alerts(r *http.Request, to route) *answer {
	if kubeauth.Token(r) == "" {
		return s.signed(r, to)
	}
	if _, refused := s.authorize(r, to.namespace); refused != nil {
		return refused
	}
	body, refused := s.posted(r, to.namespace)
	defer body.release()
	if refused != nil {
		return refused
	}
	return s.work(r.Context(), to.namespace, func(ctx context.Context) *answer {
		rule, refused := s.rule(ctx, to)
		switch {
		case refused != nil:
			return refused
		case body.post == nil:
			return s.admitted(ctx, to, rule, r.Header, body.data)
		case rule.Spec.Source.Alertmanager == nil:
			return s.tooLarge()
		}
		if told := received("", s.Alerts.ReceivePost(ctx, rule, *body.post), to); told.code != http.StatusOK || !body.post.Partial {
			return told
		}
		return refuse(http.StatusRequestEntityTooLarge, "the body is larger than %s and was not read to its end, which is told by SlackAlert %q in namespace %q; "+
			"post smaller groups (group_by), or set max_alerts", size(s.limits.Alerts), to.name, to.namespace)
	})
}

// admitted takes a post of a caller who may post, if it is signed where the rule
// asks for that.
func (s *Server) admitted(ctx context.Context, to route, rule *v1alpha1.SlackAlert, h http.Header, data []byte) *answer {
	if signs(rule) {
		err := s.verify(ctx, to, rule, h, data)
		if errors.Is(err, errSignature) {
			return refuse(http.StatusUnauthorized, "SlackAlert %q in namespace %q takes what is signed alone: put the HMAC-SHA256 of the body, by the key in its spec.source.webhook.signature.secretRef, into the header %s",
				to.name, to.namespace, posts.HeaderOf(rule.Spec.Source.Webhook))
		}
		if err != nil {
			return notVerified(err)
		}
	}
	return s.receive(ctx, to, rule, h, data)
}

// receive has a post stored.
func (s *Server) receive(ctx context.Context, to route, rule *v1alpha1.SlackAlert, h http.Header, data []byte) *answer {
	remark, err := s.Alerts.Receive(ctx, rule, posts.Raw{Body: data, Headers: h, Signed: signs(rule)})
	return received(remark, err, to)
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
	case rule.Spec.Source.Alertmanager == nil && rule.Spec.Source.Webhook == nil:
		return nil, refuse(http.StatusConflict, "SlackAlert %q in namespace %q takes no posts; set its spec.source.alertmanager or spec.source.webhook", to.name, to.namespace)
	}
	return rule, nil
}

func noRule(to route) *answer {
	return refuse(http.StatusNotFound, "there is no SlackAlert %q in namespace %q", to.name, to.namespace)
}

// received answers what the receiver says.
func received(remark string, err error, to route) *answer {
	var unreadable *alertmanager.PayloadError
	var noPost *posts.PayloadError
	var failed *source.EvaluationError
	var unstored *source.RefusedError
	name := fmt.Sprintf("SlackAlert %q in namespace %q", to.name, to.namespace)
	switch {
	case err == nil && remark == "":
		return &answer{code: http.StatusOK, text: "stored\n"}
	case err == nil:
		return &answer{code: http.StatusOK, text: remark + "\n"}
	case errors.As(err, &unreadable):
		return refuse(http.StatusBadRequest, "%s", unreadable.Reason)
	case errors.As(err, &noPost):
		return refuse(http.StatusBadRequest, "%s", noPost.Reason)
	case errors.As(err, &failed):
		return refuse(http.StatusUnprocessableEntity, "%s fails on this: %s", name, failed.Words)
	case apierrors.IsNotFound(err):
		return noRule(to)
	case errors.Is(err, source.ErrSuspended):
		return again(60, nil, name+" is suspended")
	case errors.Is(err, source.ErrTooManyAlerts):
		return again(300, nil, name+" is not at work, because the namespace has too many")
	case errors.Is(err, source.ErrDoesNotCompile):
		return again(300, nil, name+" does not compile, as its status says")
	case errors.Is(err, source.ErrOverspent):
		return again(5, nil, fmt.Sprintf("the expressions of the SlackAlerts in namespace %q have cost too much", to.namespace))
	case errors.As(err, &unstored):
		return notTaken(unstored.Words)
	case refusal(err):
		return notTaken(reason(err))
	}
	return again(5, err, "the alerts could not be stored")
}
