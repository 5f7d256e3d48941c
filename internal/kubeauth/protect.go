package kubeauth

import (
	"errors"
	"fmt"
	"net/http"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// maxReviews of callers of a protected handler at once.
const maxReviews = 16

// Protect lets those through to a handler who may get its path
// (nonResourceURLs in RBAC). Tokens that are not known are held to
// DefaultUnknown by address; those beyond get 429.
func (r *Reviewer) Protect(next http.Handler) http.Handler {
	guard := NewGuard(DefaultUnknown, DefaultUnknownBurst, r.Clock)
	reviews := make(chan struct{}, maxReviews)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		token := Token(req)
		if token != "" && !guard.Admit(token, Address(req)) {
			refuse(w, http.StatusTooManyRequests, "too many tokens that are not known from this address")
			return
		}
		select {
		case reviews <- struct{}{}:
		default:
			refuse(w, http.StatusServiceUnavailable, "too many requests at once")
			return
		}
		user, err := r.mayGet(req, token)
		<-reviews
		guard.Learn(token, err)
		switch {
		case err == nil:
			next.ServeHTTP(w, req)
		case errors.Is(err, ErrUnauthenticated):
			w.Header().Set("WWW-Authenticate", `Bearer realm="slack-notifier"`)
			http.Error(w, "Unauthorized: show the token of a ServiceAccount (Authorization: Bearer …)", http.StatusUnauthorized)
		case errors.Is(err, ErrForbidden):
			http.Error(w, fmt.Sprintf("Forbidden: user %q may not get %s; a ClusterRole with nonResourceURLs allows it", user.Username, req.URL.Path), http.StatusForbidden)
		default:
			refuse(w, http.StatusServiceUnavailable, "the API server could not be asked who calls")
		}
	})
}

func (r *Reviewer) mayGet(req *http.Request, token string) (User, error) {
	user, err := r.Authenticate(req.Context(), token)
	if err != nil {
		return user, err
	}
	return user, r.Allowed(req.Context(), user, authorizationv1.SubjectAccessReviewSpec{
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: req.URL.Path, Verb: "get"},
	})
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, why+"; come again", status)
}
