package intake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// answer to a request.
type answer struct {
	code int
	// text is the body; of JSON when json is true.
	text string
	json bool
	// retryAfter is in seconds; none when zero.
	retryAfter int
	// cause is logged, and not told to the caller.
	cause error
}

func refuse(code int, format string, args ...any) *answer {
	return &answer{code: code, text: fmt.Sprintf(format, args...) + "\n"}
}

// again asks the caller to repeat the request.
func again(seconds int, cause error, text string) *answer {
	return &answer{code: http.StatusServiceUnavailable, text: text + "; send it again\n", retryAfter: seconds, cause: cause}
}

func stored(code int, body any) *answer {
	data, err := json.Marshal(body)
	if err != nil {
		return again(5, err, "the answer could not be written")
	}
	return &answer{code: code, text: string(data) + "\n", json: true}
}

func (a *answer) write(w http.ResponseWriter, r *http.Request) {
	if a.cause != nil {
		log.FromContext(r.Context()).Error(a.cause, "a request was not taken", "path", r.URL.Path, "code", a.code)
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if a.json {
		h.Set("Content-Type", "application/json")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(a.text)))
	if a.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="slack-notifier"`)
	}
	if a.code == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close")
	}
	w.WriteHeader(a.code)
	_, _ = w.Write([]byte(a.text)) // whoever is gone gets no answer
}
