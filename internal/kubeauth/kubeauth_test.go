package kubeauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
)

const apiAudience = "https://kubernetes.default.svc"

// apiServer knows tokens by their audiences; one whose audiences are nil is of an
// authenticator that knows none.
type apiServer struct {
	mu     sync.Mutex
	tokens map[string][]string
	asked  int
	access int
	err    error
}

func (s *apiServer) Create(_ context.Context, review *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	have, known := s.tokens[review.Spec.Token]
	if !known {
		return review, nil
	}
	want := review.Spec.Audiences
	if len(want) == 0 {
		want = []string{apiAudience}
	}
	for _, a := range want {
		if slices.Contains(have, a) {
			review.Status.Audiences = append(review.Status.Audiences, a)
		}
	}
	review.Status.Authenticated = have == nil || len(review.Status.Audiences) > 0
	review.Status.User.Username = "user-of-" + review.Spec.Token
	return review, nil
}

type accessOf struct{ *apiServer }

func (s accessOf) Create(_ context.Context, review *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access++
	review.Status.Allowed = review.Spec.User == "user-of-reader"
	return review, nil
}

func newServer(tokens map[string][]string, options Options) (*apiServer, *Reviewer) {
	s := &apiServer{tokens: tokens}
	return s, newReviewer(s, accessOf{s}, options)
}

// jwt is a token that names audiences, as JSON; nobody looks at its signature here.
func jwt(aud string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"aud":`+aud+`}`)) + ".sig"
}

func TestAudience(t *testing.T) {
	tokens := map[string][]string{
		"ours": {"slack-notifier"}, "both": {"vault", "slack-notifier"}, jwt(`["` + apiAudience + `"]`): {apiAudience},
		"other": {"vault"}, "unaware": nil,
	}
	for name, test := range map[string]struct {
		options Options
		token   string
		want    string
	}{
		"for this audience":                   {Options{Audience: "slack-notifier"}, "ours", ""},
		"for this audience among others":      {Options{Audience: "slack-notifier"}, "both", ""},
		"for another audience":                {Options{Audience: "slack-notifier"}, "other", "no valid token"},
		"for the API server":                  {Options{Audience: "slack-notifier"}, jwt(`["` + apiAudience + `"]`), `the token is for the audience "https://kubernetes.default.svc", and must be for "slack-notifier"`},
		"for the API server, accepted":        {Options{Audience: "slack-notifier", APITokens: true}, jwt(`["` + apiAudience + `"]`), ""},
		"for another, API tokens accepted":    {Options{Audience: "slack-notifier", APITokens: true}, "other", "no valid token"},
		"of who knows no audiences":           {Options{Audience: "slack-notifier"}, "unaware", "no valid token"},
		"of who knows no audiences, accepted": {Options{Audience: "slack-notifier", APITokens: true}, "unaware", ""},
		"ours at the API server's":            {Options{}, "ours", "no valid token"},
		"the API server's at its own":         {Options{}, jwt(`["` + apiAudience + `"]`), ""},
		"unknown, for somebody else":          {Options{Audience: "slack-notifier"}, jwt(`"vault"`), `for the audience "vault", and must be for "slack-notifier"`},
		"unknown, for us":                     {Options{Audience: "slack-notifier"}, jwt(`["a","slack-notifier"]`), "no valid token"},
		"none":                                {Options{Audience: "slack-notifier"}, "", "no valid token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := newServer(tokens, test.options)
			for range 2 { // the second time from memory
				user, err := r.Authenticate(t.Context(), test.token)
				if test.want == "" && (err != nil || user.Username != "user-of-"+test.token) {
					t.Errorf("%v, as %q; want it to be accepted", err, user.Username)
				}
				if test.want != "" && (!errors.Is(err, ErrUnauthenticated) || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("%v; want ErrUnauthenticated with %q", err, test.want)
				}
			}
		})
	}
}

// What a token says of its audiences is told back in bounds.
func FuzzClaimed(f *testing.F) {
	f.Add(jwt(`["a","b"]`))
	f.Add(jwt(`"` + strings.Repeat("ü", 5000) + `"`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		err := wrongAudience(token, "slack-notifier")
		if !errors.Is(err, ErrUnauthenticated) {
			t.Fatalf("%v is no ErrUnauthenticated", err)
		}
		if n := len(err.Error()); n > 6*maxHave*maxAudience*2+400 {
			t.Errorf("%d bytes are told", n)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than a line: %q", err)
		}
	})
}

// Bad tokens push no good one out of what is remembered.
func TestBadAnswersPushOutNoGoodOnes(t *testing.T) {
	s, r := newServer(map[string][]string{"good": {"a"}}, Options{Audience: "a", Clock: testclock.NewFakePassiveClock(time.Now())})
	if _, err := r.Authenticate(t.Context(), "good"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxKept {
		_, _ = r.Authenticate(t.Context(), fmt.Sprint("bad", i))
	}
	before := s.asked
	if _, err := r.Authenticate(t.Context(), "good"); err != nil || s.asked != before {
		t.Errorf("%v; asked %d times again, want 0", err, s.asked-before)
	}
	if n := r.yes.len() + r.no.len(); n > 2*maxKept {
		t.Errorf("%d answers are kept, want at most %d", n, 2*maxKept)
	}
}

func TestAnswersEnd(t *testing.T) {
	now := testclock.NewFakePassiveClock(time.Now())
	s, r := newServer(map[string][]string{"good": {"a"}}, Options{Audience: "a", Clock: now})
	ask := func(token string) int {
		before := s.asked
		_, _ = r.Authenticate(t.Context(), token)
		return s.asked - before
	}
	for _, token := range []string{"good", "bad"} {
		if first, second := ask(token), ask(token); first != 1 || second != 0 {
			t.Errorf("%s: asked %d times, then %d; want 1 and 0", token, first, second)
		}
	}
	now.SetTime(now.Now().Add(kept))
	for _, token := range []string{"good", "bad"} {
		if n := ask(token); n != 1 {
			t.Errorf("%s: asked %d times after %s, want 1", token, n, kept)
		}
	}
	s.err = errors.New("no API server")
	if first, second := ask("new"), ask("new"); first != 1 || second != 1 {
		t.Errorf("a failure is remembered: asked %d times, then %d", first, second)
	}
}

// A flood of bad tokens at the metrics reaches the API server no more than a
// bit, and keeps no good one out.
func TestProtect(t *testing.T) {
	now := testclock.NewFakePassiveClock(time.Now())
	s, r := newServer(map[string][]string{"reader": {apiAudience}, "other": {apiAudience}}, Options{Clock: now})
	h := r.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("metrics")) }))
	get := func(authorization string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		req.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w
	}
	for authorization, want := range map[string]int{"Bearer reader": 200, "bearer reader": 200, "Bearer other": 403, "": 401, "Basic reader": 401, "Bearer bad": 401} {
		if w := get(authorization); w.Code != want {
			t.Errorf("%q: %d %s, want %d", authorization, w.Code, w.Body, want)
		}
	}
	before, codes := s.asked, map[int]int{}
	for i := range 5000 {
		w := get(fmt.Sprint("Bearer bad", i))
		codes[w.Code]++
		if w.Code == 429 && w.Header().Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
	}
	if asked := s.asked - before; asked > DefaultUnknownBurst || codes[401] != asked || codes[429] != 5000-asked {
		t.Errorf("the API server was asked %d times, want at most %d; answers %v", asked, DefaultUnknownBurst, codes)
	}
	now.SetTime(now.Now().Add(time.Minute / 60 * 11)) // the answer about the good one is forgotten
	for range 200 {
		_ = get("Bearer worse")
		if w := get("Bearer reader"); w.Code != 200 {
			t.Fatalf("the good one: %d %s", w.Code, w.Body)
		}
	}
}

func TestRates(t *testing.T) {
	now := testclock.NewFakePassiveClock(time.Now())
	r := NewRates(1, 1, now)
	for i := range 10 * maxCallers {
		r.Allow(fmt.Sprint(i))
		now.SetTime(now.Now().Add(time.Millisecond))
		if r.seen.len() > maxCallers {
			t.Fatalf("%d callers are known, want at most %d", r.seen.len(), maxCallers)
		}
	}
	if r.Allow(fmt.Sprint(10*maxCallers - 1)) {
		t.Error("the last one was forgotten")
	}
	// Whoever comes all the time is not forgotten for the sake of others.
	busy := NewRates(1, 1, now)
	busy.Allow("busy")
	for i := range 10 * maxCallers {
		busy.Allow(fmt.Sprint(i))
		if busy.Allow("busy") {
			t.Fatalf("a caller above its rate was let in after %d others", i)
		}
	}
}

func TestAddress(t *testing.T) {
	for remote, want := range map[string]string{
		"10.1.2.3:4":                 "10.1.2.3",
		"[::ffff:10.1.2.3]:4":        "10.1.2.3",
		"[2001:db8:1:2:3:4:5:6]:7":   "2001:db8:1:2::/64",
		"[2001:db8:1:2::9]:7":        "2001:db8:1:2::/64",
		"[fe80::1%eth0]:7":           "fe80::/64",
		"@":                          "@",
		"":                           "",
		"[2001:db8:1:3:3:4:5:6]:443": "2001:db8:1:3::/64",
	} {
		if got := Address(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%q: %q, want %q", remote, got, want)
		}
	}
}
