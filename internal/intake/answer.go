package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

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

// write sends the answer. rest is what the caller may still be sending.
func (a *answer) write(w http.ResponseWriter, r *http.Request, rest *tracked) {
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
	duplex := http.NewResponseController(w)
	if !rest.ended {
		h.Set("Connection", "close")
		_ = duplex.EnableFullDuplex() // HTTP/1 alone is spoken here
	}
	w.WriteHeader(a.code)
	_, _ = w.Write([]byte(a.text)) // whoever is gone gets no answer
	if !rest.ended {
		// Many callers read the answer after having sent everything, and get
		// none when they can't.
		_ = duplex.Flush()
		waiting(r.Context(), true)
		_, _ = io.CopyN(io.Discard, rest, maxDrain)
	}
}

// maxDrain is how much is taken in of what was refused.
const maxDrain = 32 << 20

// tracked is a body that knows when all of it was read.
type tracked struct {
	io.ReadCloser
	ended bool
	// conn is what it comes by, and work how long the answer may then take.
	conn *http.ResponseController
	work time.Duration
}

// Read implements io.Reader. The time for the answer is counted from the end of the
// body: net/http counts it from the beginning, and has a request end whose body was
// slow while it is being stored.
func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.ended = t.ended || err != nil
	if errors.Is(err, io.EOF) {
		_ = t.conn.SetReadDeadline(time.Now().Add(t.work)) // a test's has none
		_ = t.conn.SetWriteDeadline(time.Now().Add(t.work))
	}
	return n, err
}

// readWithin is Read, which fails when nothing comes in time.
func (t *tracked) readWithin(p []byte, most time.Duration) (int, error) {
	_ = t.conn.SetReadDeadline(time.Now().Add(most)) // a test's has none
	return t.Read(p)
}
