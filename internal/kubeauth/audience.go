package kubeauth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// AudienceError is the ErrUnauthenticated of a token that says itself that it is
// for somebody else. Its text is for whoever showed the token.
type AudienceError struct {
	// Want is the audience that is asked for; empty when it is the API server's.
	Want string
	// Have are the first audiences that the token names, cut to a length.
	Have []string
}

// Error implements error.
func (e *AudienceError) Error() string {
	var have []string
	for _, a := range e.Have {
		have = append(have, fmt.Sprintf("%q", a))
	}
	return fmt.Sprintf("the token is for the audience %s, and must be for %q: make one with kubectl create token NAME --audience=%s, or mount a projected serviceAccountToken with that audience",
		strings.Join(have, ", "), e.Want, e.Want)
}

// Is makes it an ErrUnauthenticated.
func (*AudienceError) Is(target error) bool { return target == ErrUnauthenticated }

const (
	// maxClaims is how long the claims of a token may be to be looked at.
	maxClaims = 16 << 10
	// maxHave audiences, and maxAudience characters of each, are told.
	maxHave, maxAudience = 3, 100
)

// wrongAudience explains why a token is refused, if it is for others by its own
// word. The word is not checked, and decides nothing.
func wrongAudience(token, want string) error {
	have := claimed(token)
	if want == "" || len(have) == 0 || slices.Contains(have, want) {
		return ErrUnauthenticated
	}
	e := &AudienceError{Want: want}
	for _, a := range have[:min(len(have), maxHave)] {
		if runes := []rune(a); len(runes) > maxAudience {
			a = string(runes[:maxAudience]) + "…"
		}
		e.Have = append(e.Have, a)
	}
	return e
}

// claimed are the audiences that a JWT names.
func claimed(token string) []string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(parts[1]) > maxClaims {
		return nil
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var claims struct {
		Audience json.RawMessage `json:"aud"`
	}
	if json.Unmarshal(data, &claims) != nil {
		return nil
	}
	var one string
	if json.Unmarshal(claims.Audience, &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(claims.Audience, &many) != nil {
		return nil
	}
	return many
}
