// Package kubeauth asks the API server who calls and what they may do, by
// TokenReview and SubjectAccessReview, and protects an HTTP handler by it.
//
// controller-runtime has a filter for its metrics that does the same by way of
// k8s.io/apiserver. It makes the idle operator take 20 MiB more. Client
// certificates are not known here.
package kubeauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// User is who a token belongs to.
type User = authenticationv1.UserInfo

// Errors of the reviews. What else goes wrong is the API server's.
var (
	// ErrUnauthenticated means that the token is none that the API server knows.
	ErrUnauthenticated = errors.New("no valid token")
	// ErrForbidden means that RBAC does not allow it.
	ErrForbidden = errors.New("not allowed")
)

const (
	// kept is how long an answer of the API server is remembered.
	kept = 10 * time.Second
	// maxKept answers; with more all are forgotten.
	maxKept = 1000
	// timeout of one review.
	timeout = 10 * time.Second
)

// Reviewer asks the API server, and remembers the answers for a short time. It
// is safe for concurrent use.
type Reviewer struct {
	tokens authenticationclient.TokenReviewInterface
	access authorizationclient.SubjectAccessReviewInterface
	// Clock is the real one when nil.
	Clock clock.PassiveClock

	mu      sync.Mutex
	answers map[[sha256.Size]byte]answer
}

type answer struct {
	user User
	err  error
	at   time.Time
}

// New returns a Reviewer that asks with the rights of config.
func New(config *rest.Config, client *http.Client) (*Reviewer, error) {
	tokens, err := authenticationclient.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	access, err := authorizationclient.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return &Reviewer{tokens: tokens.TokenReviews(), access: access.SubjectAccessReviews()}, nil
}

func (r *Reviewer) now() time.Time {
	if r.Clock == nil {
		return time.Now()
	}
	return r.Clock.Now()
}

// remembered returns an answer that still holds, or asks for it. A failure of
// the API server is not remembered.
func (r *Reviewer) remembered(key string, ask func() (User, error)) (User, error) {
	sum := sha256.Sum256([]byte(key))
	r.mu.Lock()
	have, ok := r.answers[sum]
	r.mu.Unlock()
	if ok && r.now().Sub(have.at) < kept {
		return have.user, have.err
	}
	user, err := ask()
	if err != nil && !errors.Is(err, ErrUnauthenticated) && !errors.Is(err, ErrForbidden) {
		return user, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answers == nil || len(r.answers) >= maxKept {
		r.answers = map[[sha256.Size]byte]answer{}
	}
	r.answers[sum] = answer{user: user, err: err, at: r.now()}
	return user, err
}

// Authenticate returns whose token it is, or ErrUnauthenticated.
func (r *Reviewer) Authenticate(ctx context.Context, token string) (User, error) {
	if token == "" {
		return User{}, ErrUnauthenticated
	}
	return r.remembered("token\x00"+token, func() (User, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		review, err := r.tokens.Create(ctx, &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token},
		}, metav1.CreateOptions{})
		if err != nil {
			return User{}, fmt.Errorf("TokenReview: %w", err)
		}
		if !review.Status.Authenticated {
			return User{}, ErrUnauthenticated
		}
		return review.Status.User, nil
	})
}

// Allowed returns nil when a user may do what spec says, or ErrForbidden. The
// user is filled in here.
func (r *Reviewer) Allowed(ctx context.Context, user User, spec authorizationv1.SubjectAccessReviewSpec) error {
	spec.User, spec.Groups, spec.UID = user.Username, user.Groups, user.UID
	if len(user.Extra) > 0 {
		spec.Extra = make(map[string]authorizationv1.ExtraValue, len(user.Extra))
		for key, value := range user.Extra {
			spec.Extra[key] = authorizationv1.ExtraValue(value)
		}
	}
	_, err := r.remembered("access\x00"+spec.String(), func() (User, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		review, err := r.access.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
		if err != nil {
			return User{}, fmt.Errorf("SubjectAccessReview: %w", err)
		}
		if !review.Status.Allowed {
			return User{}, ErrForbidden
		}
		return User{}, nil
	})
	return err
}

// Token is the bearer token of a request; empty when there is none.
func Token(req *http.Request) string {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Protect lets those through to a handler who may get its path
// (nonResourceURLs in RBAC).
func (r *Reviewer) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, err := r.Authenticate(req.Context(), Token(req))
		if err == nil {
			err = r.Allowed(req.Context(), user, authorizationv1.SubjectAccessReviewSpec{
				NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: req.URL.Path, Verb: "get"},
			})
		}
		switch {
		case err == nil:
			next.ServeHTTP(w, req)
		case errors.Is(err, ErrUnauthenticated):
			http.Error(w, "Unauthorized: show the token of a ServiceAccount (Authorization: Bearer …)", http.StatusUnauthorized)
		case errors.Is(err, ErrForbidden):
			http.Error(w, fmt.Sprintf("Forbidden: user %q may not get %s; a ClusterRole with nonResourceURLs allows it", user.Username, req.URL.Path), http.StatusForbidden)
		default:
			http.Error(w, "the API server could not be asked who calls", http.StatusServiceUnavailable)
		}
	})
}
