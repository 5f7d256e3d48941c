package intake

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusedAgain is how many seconds an Alertmanager is told to wait when a quota
// or a policy refuses: a person has to act first.
const refusedAgain = 300

// maxReason is how many characters of the API server's words are told.
const maxReason = 1000

// final answers what can't get better by sending it again.
func final(err error) *answer {
	switch {
	case errors.Is(err, errOther):
		return refuse(http.StatusConflict, "this Idempotency-Key was used for another message; take a new one")
	case apierrors.IsRequestEntityTooLargeError(err):
		return refuse(http.StatusRequestEntityTooLarge, "the message is larger than the API server stores")
	case forbidden(err):
		return refuse(http.StatusForbidden, "the API server refuses the message: %s", reason(err))
	case refusal(err) && ofSchema(err):
		return refuse(http.StatusUnprocessableEntity, "the message is not valid: %s", reason(err))
	case refusal(err):
		return refuse(http.StatusUnprocessableEntity, "the API server refuses the message: %s", reason(err))
	}
	return nil
}

// ofSchema reports whether the API server names fields, as its schema does, and
// no policy.
func ofSchema(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool { return c.Field != "" })
}

// notTaken answers an Alertmanager what can't get better without a person. It
// gives up on 4xx, and then it is lost.
func notTaken(words string) *answer {
	// The name of an object that the caller does not know tells nothing.
	if _, cause, ok := strings.Cut(words, " is forbidden: "); ok {
		words = cause
	}
	return &answer{
		code: http.StatusServiceUnavailable, retryAfter: refusedAgain,
		text: fmt.Sprintf("the API server refuses to store the alerts: %s; they are taken once that is mended\n", words),
	}
}

// forbidden is what a quota, a policy or the state of the namespace refuses.
func forbidden(err error) bool {
	return apierrors.IsForbidden(err) || code(err) == http.StatusForbidden
}

// refusal is what the API server will refuse each time: by a quota, a policy, a
// webhook or the schema. What comes of load, conflicts, the operator's own
// credentials or a webhook that is down is none.
func refusal(err error) bool {
	switch c := code(err); c {
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return c >= 400 && c < 500
	}
}

// code of an answer of the API server; 0 when there was none.
func code(err error) int32 {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return 0
	}
	return status.Status().Code
}

// reason is what the API server says is wrong, in one line and without the name
// of an object that the caller does not know.
func reason(err error) string {
	words := strings.Join(strings.Fields(causes(err)), " ")
	if runes := []rune(words); len(runes) > maxReason {
		words = string(runes[:maxReason]) + "…"
	}
	return words
}

func causes(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err.Error()
	}
	var all []string
	if details := status.Status().Details; details != nil {
		for _, c := range details.Causes {
			switch c.Field {
			case "<nil>": // that not all rules were checked
			case "", "spec":
				all = append(all, strings.TrimPrefix(c.Message, `Invalid value: `))
			default:
				all = append(all, strings.TrimPrefix(c.Field, "spec.")+": "+c.Message)
			}
		}
	}
	if len(all) > 0 {
		return strings.Join(all, "; ")
	}
	words := status.Status().Message
	if _, after, ok := strings.Cut(words, `" is forbidden: `); ok {
		return after
	}
	return words
}
