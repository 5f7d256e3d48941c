package intake

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
)

// body reads what is sent, in memory that is made room for as it comes, so that
// a slow sender takes what was sent and no more. The caller calls release when
// done with it.
func (s *Server) body(r *http.Request) (data []byte, release func(), refused *answer) {
	if r.ContentLength > s.limits.Body {
		return nil, func() {}, s.tooLarge()
	}
	data, more, release, refused := s.fill(r)
	switch {
	case refused != nil:
		return nil, release, refused
	case more:
		return nil, release, s.tooLarge()
	}
	return data, release, checkJSON(data)
}

// fill reads a body up to the limit, and reports whether there is more of it.
func (s *Server) fill(r *http.Request) (data []byte, more bool, release func(), refused *answer) {
	limit := s.limits.Body
	var taken int64
	release = func() { s.limits.bodies.Release(taken) }
	waiting(r.Context(), true)
	defer waiting(r.Context(), false)
	for {
		if len(data) == cap(data) {
			room := min(max(step, int64(len(data))), limit+1-int64(len(data)))
			if !s.limits.take(r.Context(), s.limits.bodies, room) {
				return nil, false, release, busy()
			}
			taken += room
			data = append(make([]byte, 0, int64(len(data))+room), data...)
		}
		n, err := r.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return data, true, release, nil
		case errors.Is(err, io.EOF):
			return data, false, release, nil
		case err != nil:
			return nil, false, release, refuse(http.StatusRequestTimeout, "the body did not arrive in time")
		}
	}
}

func (s *Server) tooLarge() *answer {
	return refuse(http.StatusRequestEntityTooLarge, "the body is larger than %s", size(s.limits.Body))
}

func size(n int64) string {
	if n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

func checkJSON(data []byte) *answer {
	data = boundedjson.Text(data)
	if boundedjson.Depth(data, maxDepth) > maxDepth {
		return refuse(http.StatusBadRequest, "the body's JSON is nested too deep")
	}
	if boundedjson.Values(data, maxValues) > maxValues {
		return refuse(http.StatusBadRequest, "the body's JSON has too many values")
	}
	return nil
}
