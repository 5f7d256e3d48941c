package incident

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// RefusedError says that the API server does not store a message, because of a
// quota, a policy, an admission webhook that does not answer, or the operator's rights.
// To try at once again is of no use.
type RefusedError struct {
	// Words of the API server.
	Words string
}

func (e *RefusedError) Error() string { return "the API server does not store the message: " + e.Words }

// webhookDown is in what the API server says when it can't ask an admission webhook with
// failurePolicy Fail (k8s.io/apiserver, admission/plugin/webhook/errors).
const webhookDown = "failed calling webhook"

// maxWords of the API server are told, in bytes.
const maxWords = 500

// refusal makes a RefusedError of an error that is one.
func refusal(err error) error {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err
	}
	if !refuses(status.Status()) {
		return err
	}
	words := strings.Join(strings.Fields(status.Status().Message), " ")
	if len(words) > maxWords {
		words = words[:maxWords]
		for !utf8.ValidString(words) {
			words = words[:len(words)-1]
		}
		words += "…"
	}
	return &RefusedError{Words: words}
}

func refuses(s metav1.Status) bool {
	switch s.Code {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	default:
		return s.Code == http.StatusInternalServerError && strings.Contains(s.Message, webhookDown)
	}
}

// refusedKept is how long a refusal is told of that nobody has tried again.
const refusedKept = 15 * time.Minute

type refusedGroup struct {
	words string
	at    time.Time
}

// note keeps what became of the update of a group.
func (m *memory) note(id, words string, now time.Time) {
	if words == "" {
		delete(m.refused, id)
		return
	}
	if m.refused == nil {
		m.refused = map[string]refusedGroup{}
	}
	m.refused[id] = refusedGroup{words, now}
}

// Refused returns the API server's words if it does not store what this process
// has for a rule, and else "".
func (s *Store) Refused(rule types.UID) string {
	m := s.of(rule)
	m.Lock()
	defer m.Unlock()
	out := ""
	for id, g := range m.refused {
		if s.Clock.Since(g.at) > refusedKept {
			delete(m.refused, id)
			continue
		}
		if out == "" || g.words < out {
			out = g.words
		}
	}
	return out
}
