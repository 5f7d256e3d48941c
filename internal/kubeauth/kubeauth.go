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
	"slices"
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
	// maxKept answers of yes, and as many of no.
	maxKept = 2000
	// timeout of one review.
	timeout = 10 * time.Second
)

// Options of a Reviewer.
type Options struct {
	// Audience that tokens must be for; the API server's own when empty. A token
	// that is for this alone opens nothing else to whoever gets hold of it.
	Audience string
	// APITokens are accepted beside those for Audience: what is shown then is
	// what opens the API server.
	APITokens bool
	// Clock is the real one when nil.
	Clock clock.PassiveClock
}

// Reviewer asks the API server, and remembers the answers for a short time. It
// is safe for concurrent use.
type Reviewer struct {
	tokens authenticationclient.TokenReviewInterface
	access authorizationclient.SubjectAccessReviewInterface
	Options

	mu sync.Mutex
	// Yes and no are kept apart, so that bad tokens never push out good ones.
	yes recent[[sha256.Size]byte, User]
	no  recent[[sha256.Size]byte, error]
}

// New returns a Reviewer that asks with the rights of config.
func New(config *rest.Config, client *http.Client, options Options) (*Reviewer, error) {
	tokens, err := authenticationclient.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	access, err := authorizationclient.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return newReviewer(tokens.TokenReviews(), access.SubjectAccessReviews(), options), nil
}

func newReviewer(tokens authenticationclient.TokenReviewInterface, access authorizationclient.SubjectAccessReviewInterface, options Options) *Reviewer {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	r := &Reviewer{tokens: tokens, access: access, Options: options}
	r.yes.limit, r.yes.age = maxKept, kept
	r.no.limit, r.no.age = maxKept, kept
	return r
}

// remembered returns an answer that still holds, or asks for it. A failure of
// the API server is not remembered.
func (r *Reviewer) remembered(key string, ask func() (User, error)) (User, error) {
	sum := sha256.Sum256([]byte(key))
	r.mu.Lock()
	user, yes := r.yes.get(sum, r.Clock.Now())
	refusal, no := r.no.get(sum, r.Clock.Now())
	r.mu.Unlock()
	if yes || no {
		return user, refusal
	}
	user, err := ask()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.yes.put(sum, user, r.Clock.Now())
	case errors.Is(err, ErrUnauthenticated), errors.Is(err, ErrForbidden):
		r.no.put(sum, err, r.Clock.Now())
	}
	return user, err
}

// Authenticate returns whose token it is, or ErrUnauthenticated; an
// *AudienceError is one.
func (r *Reviewer) Authenticate(ctx context.Context, token string) (User, error) {
	if token == "" {
		return User{}, ErrUnauthenticated
	}
	return r.remembered("token\x00"+token, func() (User, error) {
		user, err := r.review(ctx, token, r.Audience)
		if r.APITokens && r.Audience != "" && errors.Is(err, ErrUnauthenticated) {
			user, err = r.review(ctx, token, "")
		}
		if errors.Is(err, ErrUnauthenticated) {
			err = wrongAudience(token, r.Audience)
		}
		return user, err
	})
}

// review asks whose token it is, if it is for an audience; the API server's own
// when that is empty.
func (r *Reviewer) review(ctx context.Context, token, audience string) (User, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if audience != "" {
		review.Spec.Audiences = []string{audience}
	}
	review, err := r.tokens.Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return User{}, fmt.Errorf("TokenReview: %w", err)
	}
	if !review.Status.Authenticated {
		return User{}, ErrUnauthenticated
	}
	// An authenticator that knows no audiences names none, and has not looked.
	if audience != "" && !slices.Contains(review.Status.Audiences, audience) {
		return User{}, ErrUnauthenticated
	}
	return review.Status.User, nil
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
