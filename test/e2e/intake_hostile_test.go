package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// endless is a body of so many bytes that is made up as it is read.
type endless struct {
	head string
	fill byte
	left int64
	sent atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.head)
	e.head = e.head[n:]
	for i := range p[n:] {
		p[n+i] = e.fill
	}
	n = int(min(int64(len(p)), e.left))
	e.left -= int64(n)
	e.sent.Add(int64(n))
	return n, nil
}

// good posts one message after another until told to stop, and says how that
// went.
func (i *intakeWorld) good(token string, stop <-chan struct{}) (codes map[int]int, took []time.Duration) {
	codes = map[int]int{}
	for {
		select {
		case <-stop:
			slices.Sort(took)
			return codes, took
		case <-time.After(50 * time.Millisecond):
		}
		began := time.Now()
		got := i.post("/v1/namespaces/"+i.ns+"/channels/c/messages", token, text(`{"text":"good"}`))
		codes[got.Code]++
		took = append(took, time.Since(began))
	}
}

// during runs an attack beside a good caller, which must be answered with 201 or
// be asked to come again, and says what it cost.
func (i *intakeWorld) during(name, token string, attack func() string) {
	i.t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	var codes map[int]int
	var took []time.Duration
	go func() { codes, took = i.good(token, stop); close(done) }()
	began := time.Now()
	outcome := attack()
	lasted := time.Since(began)
	time.Sleep(200 * time.Millisecond) // for one more of the good caller
	close(stop)
	<-done
	i.Expect(took).NotTo(gomega.BeEmpty(), name)
	i.t.Logf("%-28s %6.1fs  %-60s  good caller: %v, median %s, slowest %s; operator %d MiB at most",
		name, lasted.Seconds(), outcome, codes, took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), i.peak())
	for c := range codes { // 0 is a connection that was closed
		i.Expect(c).To(gomega.BeElementOf(201, 503, 0), name)
	}
	i.Expect(codes[201]).To(gomega.BeNumerically(">", 0), name)
}

// How the intake holds against callers that mean harm. go test -v prints what
// it held and refused.
func TestIntakeHostile(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	i := w.intake("--intake-anonymous")
	token := w.tokenOf(w.poster("poster"))
	bad := w.forge(token, nil, false)
	w.Expect(i.post("/v1/namespaces/"+w.ns+"/channels/c/messages", token, text(`{"text":"first"}`))).To(code(201))
	t.Logf("%-28s         operator %d MiB", "at rest", i.peak())

	const gigabyte = 1 << 30
	for name, test := range map[string]struct {
		path, token, head string
		fill              byte
		code              int
	}{
		"1 GiB of zeros":         {"/message", "", "", 0, 413},
		"1 GiB in one message":   {"/message", "", `{"message":"`, 'a', 413},
		"1 GiB of brackets":      {"/message", "", "", '[', 413},
		"1 GiB with a bad token": {"/v1/namespaces/" + w.ns + "/channels/c/messages", bad, "", ' ', 401},
	} {
		i.during(name, token, func() string {
			body := &endless{head: test.head, fill: test.fill, left: gigabyte}
			got := i.post(test.path, test.token, body)
			if got.Code != 0 { // else the connection was closed on it
				w.Expect(got).To(code(test.code), name)
			}
			w.Expect(body.sent.Load()).To(gomega.BeNumerically("<", gigabyte/8), name)
			return fmt.Sprintf("answer %d after %.1f MiB", got.Code, float64(body.sent.Load())/(1<<20))
		})
	}
	i.during("deep and wide JSON", token, func() string {
		codes := map[int]int{}
		for _, body := range []string{
			strings.Repeat("[", 1<<20-1), strings.Repeat(`{"a":`, 200_000), `{"blocks":[` + strings.Repeat(`{},`, 300_000) + `{}]}`,
			`{"message":"` + strings.Repeat(`\u0000`, 150_000) + `"}`, `{"fields":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`,
		} {
			for _, path := range []string{"/message", "/v1/namespaces/" + w.ns + "/channels/c/messages", "/v1/namespaces/" + w.ns + "/alerts/x"} {
				got := i.post(path, token, text(body))
				w.Expect(got.Code).To(gomega.BeElementOf(400, 404, 413, 422, 503), got.Body)
				codes[got.Code]++
			}
		}
		return fmt.Sprint("answers ", codes)
	})
	i.during("5000 bad tokens", token, func() string {
		return i.flood(5000, 50, func(n int) reply {
			return i.post("/v1/namespaces/"+w.ns+"/channels/c/messages", fmt.Sprint(bad, n), text(`{"text":"a"}`))
		})
	})
	i.during("5000 anonymous posts", token, func() string {
		return i.flood(5000, 50, func(int) reply { return i.post("/message", "", text(`{"message":"a"}`)) })
	})
	i.during("2000 slow headers", token, func() string { return i.slow(2000, "POST /message HTTP/1.1\r\nHost: x\r\nX-", "a") })
	i.during("2000 slow bodies", token, func() string {
		return i.slow(2000, "POST /message HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{", " ")
	})
	i.during("2000 idle connections", token, func() string { return i.slow(2000, "", "") })
	w.Expect(i.operator.Cmd.ProcessState).To(gomega.BeNil(), "the operator runs")
	w.Expect(string(fetch(t, i.url+"/"))).To(gomega.Equal("I'm alive!!!"))
}

// flood sends n requests, a number of them at once.
func (i *intakeWorld) flood(n, atOnce int, send func(int) reply) string {
	var mu sync.Mutex
	codes := map[int]int{}
	var wg sync.WaitGroup
	for worker := range atOnce {
		wg.Go(func() {
			for k := worker; k < n; k += atOnce {
				got := send(k)
				mu.Lock()
				codes[got.Code]++
				if got.Code == 503 && got.RetryAfter == "" {
					codes[-1]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	i.Expect(codes[-1]).To(gomega.BeZero(), "503 without Retry-After")
	i.Expect(codes[http.StatusTooManyRequests]).To(gomega.BeZero(), "Alertmanager gives up on 429")
	return fmt.Sprint("answers ", codes)
}

// slow opens n connections that send a beginning, and then a bit now and then.
func (i *intakeWorld) slow(n int, begin, then string) string {
	var open []net.Conn
	refused := 0
	for range n {
		c, err := net.Dial("tcp", i.address)
		if err != nil {
			refused++
			continue
		}
		if _, err := io.WriteString(c, begin); err != nil {
			refused++
		}
		open = append(open, c)
	}
	for range 6 {
		time.Sleep(500 * time.Millisecond) // as slow senders do
		for _, c := range open {
			if then != "" {
				_, _ = io.WriteString(c, then) // closed ones too
			}
		}
	}
	alive := 0
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // net's own
			alive++
		}
		_ = c.Close()
	}
	return fmt.Sprintf("%d opened, %d held after 3 s", len(open), alive)
}
