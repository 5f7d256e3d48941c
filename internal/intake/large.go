package intake

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
)

// posted is what was posted for a SlackAlert.
type posted struct {
	// data is the body, unless it was too large to be kept. Then post is what it
	// says.
	data []byte
	post *alertmanager.Payload
	// release gives back what was taken for it.
	release func()
}

// posted reads what is posted for a SlackAlert. A larger body than others may
// have is taken apart as it comes: it tells of an outage, and an Alertmanager
// does not repeat what is refused.
func (s *Server) posted(r *http.Request, namespace string) (posted, *answer) {
	data, more, release, refused := s.fill(r)
	out := posted{data: data, release: release}
	switch {
	case refused != nil && refused.code == http.StatusRequestTimeout:
		return out, late()
	case refused != nil:
		return out, refused
	case !more:
		return out, checkJSON(data)
	}
	// One for each namespace, or a slow sender of one would hold up all.
	if _, busyThere := s.limits.reading.LoadOrStore(namespace, true); busyThere {
		return out, busy()
	}
	if !s.limits.take(r.Context(), s.limits.large, 1) {
		s.limits.reading.Delete(namespace)
		return out, busy()
	}
	release() // of what is handed on now
	out.release = func() {
		s.limits.large.Release(1)
		s.limits.reading.Delete(namespace)
	}
	reader := alertmanager.NewReader()
	_, _ = reader.Write(data) // never fails
	out.data = nil
	whole, refused := s.stream(r, reader, s.limits.Alerts-int64(len(data)))
	if refused != nil {
		return out, refused
	}
	post, err := reader.Payload()
	var unreadable *alertmanager.PayloadError
	switch {
	case errors.As(err, &unreadable):
		return out, refuse(http.StatusBadRequest, "%s", unreadable.Reason)
	case err == nil && post.Partial && whole:
		return out, refuse(http.StatusBadRequest, "the body is no JSON object of an Alertmanager webhook: its end is missing")
	}
	out.post = &post
	return out, nil
}

// stream hands on what is left of a body, up to a limit, and reports whether
// that was all.
func (s *Server) stream(r *http.Request, to io.Writer, limit int64) (whole bool, refused *answer) {
	waiting(r.Context(), true)
	defer waiting(r.Context(), false)
	read := r.Body.Read
	left := s.limits.ReadTime // that the sender may keep us waiting
	if body, ok := r.Body.(*tracked); ok {
		read = func(p []byte) (int, error) { return body.readWithin(p, left) }
	}
	piece := make([]byte, 32<<10)
	for {
		began := time.Now()
		n, err := read(piece)
		earned := time.Duration(n) * time.Second / time.Duration(s.limits.LargeRate)
		left = min(left-time.Since(began)+earned, s.limits.ReadTime)
		_, _ = to.Write(piece[:n]) // never fails
		limit -= int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, late()
		case limit < 0:
			return false, nil
		}
	}
}

// late is said to an Alertmanager in place of 408, on which it gives up.
func late() *answer { return again(5, nil, "the body did not arrive in time") }
