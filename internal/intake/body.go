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
func (s *Server) body(w http.ResponseWriter, r *http.Request) (data []byte, release func(), refused *answer) {
	limit := s.limits.Body
	if r.ContentLength > limit {
		return nil, func() {}, s.tooLarge()
	}
	var taken int64
	release = func() { s.limits.bodies.Release(taken) }
	in := http.MaxBytesReader(w, r.Body, limit)
	waiting(r.Context(), true)
	defer waiting(r.Context(), false)
	for {
		if len(data) == cap(data) {
			more := min(max(step, int64(len(data))), limit+1-int64(len(data)))
			if !s.limits.take(r.Context(), s.limits.bodies, more) {
				return nil, release, busy()
			}
			taken += more
			data = append(make([]byte, 0, int64(len(data))+more), data...)
		}
		n, err := in.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		var large *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			return data, release, checkJSON(data)
		case errors.As(err, &large):
			return nil, release, s.tooLarge()
		case err != nil:
			return nil, release, refuse(http.StatusRequestTimeout, "the body did not arrive in time")
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
	if boundedjson.Depth(data, maxDepth) > maxDepth {
		return refuse(http.StatusBadRequest, "the body's JSON is nested too deep")
	}
	if boundedjson.Values(data, maxValues) > maxValues {
		return refuse(http.StatusBadRequest, "the body's JSON has too many values")
	}
	return nil
}
