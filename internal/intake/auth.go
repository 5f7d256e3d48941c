package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
)

// anonymous is the name of a caller who shows no token.
const anonymous = "system:anonymous"

// authorize returns who calls, if they may create SlackNotifications in the
// namespace and have not called too often.
func (s *Server) authorize(r *http.Request, namespace string) (caller string, refused *answer) {
	user, refused := s.authenticate(r)
	if refused != nil {
		return "", refused
	}
	if !s.limits.callers.Allow(user.Username) {
		return "", tooOften()
	}
	if !s.limits.take(r.Context(), s.limits.work, 1) {
		return "", busy()
	}
	defer s.limits.work.Release(1)
	err := s.Reviewer.Allowed(r.Context(), user, authorizationv1.SubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: "create",
			Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Resource: "slacknotifications",
		},
	})
	switch {
	case errors.Is(err, kubeauth.ErrForbidden):
		return "", refuse(http.StatusForbidden, "user %q may not create slacknotifications in namespace %q; a Role there with that verb, bound to the user, allows it", user.Username, namespace)
	case err != nil:
		return "", again(5, err, "the API server could not be asked what the caller may do")
	}
	// Who may not post here takes nothing from those who may.
	if !s.limits.namespaces.Allow(namespace) {
		return "", again(1, nil, fmt.Sprintf("too many requests for namespace %q", namespace))
	}
	return user.Username, nil
}

// authenticate returns whose token a request shows.
func (s *Server) authenticate(r *http.Request) (kubeauth.User, *answer) {
	token := kubeauth.Token(r)
	if token == "" {
		return kubeauth.User{}, refuse(http.StatusUnauthorized, "show the token of a ServiceAccount (Authorization: Bearer …)")
	}
	if !s.limits.guard.Admit(token, kubeauth.Address(r)) {
		return kubeauth.User{}, tooOften()
	}
	if !s.limits.take(r.Context(), s.limits.work, 1) {
		return kubeauth.User{}, busy()
	}
	defer s.limits.work.Release(1)
	user, err := s.Reviewer.Authenticate(r.Context(), token)
	s.limits.guard.Learn(token, err)
	var audience *kubeauth.AudienceError
	switch {
	case errors.As(err, &audience):
		return user, refuse(http.StatusUnauthorized, "%s", audience)
	case errors.Is(err, kubeauth.ErrUnauthenticated):
		return user, refuse(http.StatusUnauthorized, "the token is not valid: it has expired, is for another audience, or is none of this cluster")
	case err != nil:
		return user, again(5, err, "the API server could not be asked who calls")
	}
	return user, nil
}

func tooOften() *answer { return again(1, nil, "too many requests from this caller") }

func busy() *answer { return again(5, nil, "too many requests at once") }

// work runs f, which is about a namespace, when it is its turn at the API server.
func (s *Server) work(ctx context.Context, namespace string, f func(context.Context) *answer) *answer {
	leave, ok := s.limits.enter(ctx, namespace)
	if !ok {
		return again(5, nil, fmt.Sprintf("too many requests at once for namespace %q", namespace))
	}
	defer leave()
	if !s.limits.take(ctx, s.limits.work, 1) {
		return busy()
	}
	defer s.limits.work.Release(1)
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return f(ctx)
}
