package intake

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/slack-notifier/slack-notifier/internal/source"
)

// bigPost is a post of so many alerts of about a KiB, whose group is named last.
func bigPost(n int) string {
	var alerts []string
	for i := range n {
		alerts = append(alerts, fmt.Sprintf(`{"status":"firing","fingerprint":"f%d","labels":{"alertname":"A","pad":%q}}`, i, strings.Repeat("x", 1000)))
	}
	return `{"status":"firing","alerts":[` + strings.Join(alerts, ",") + `],"groupKey":"g","version":"4"}`
}

// What an Alertmanager posts may be larger than other bodies. What is too large
// even so is handed on as far as it was read, and the caller is told.
func TestLargePosts(t *testing.T) {
	big := bigPost(2000)
	for name, test := range map[string]struct {
		path, body string
		change     func(*rig)
		code       int
		answer     string
		alerts     int
		partial    bool
	}{
		"2 MiB":                     {path: alerts, body: big, code: 200, answer: "stored", alerts: 2000},
		"beyond what is read":       {path: alerts, body: big, change: func(r *rig) { r.Limits.Alerts = 3 << 19 }, code: 413, answer: `larger than 1572864 bytes and was not read to its end, which is told by SlackAlert "am" in namespace "a"`, alerts: 1480, partial: true},
		"that could not be stored":  {path: alerts, body: big, change: func(r *rig) { r.receiver.err = errors.New("conflict") }, code: 503, answer: "send it again"},
		"beyond, and not stored":    {path: alerts, body: big, change: func(r *rig) { r.Limits.Alerts, r.receiver.err = 3<<19, source.ErrSuspended }, code: 503, answer: "suspended"},
		"without its end":           {path: alerts, body: big[:len(big)-1], code: 400, answer: "its end is missing"},
		"no JSON":                   {path: alerts, body: strings.Repeat("x", 2<<20), code: 400, answer: "no JSON object"},
		"no alerts":                 {path: alerts, body: `{"alerts":[],"x":"` + strings.Repeat("x", 2<<20) + `"}`, code: 400, answer: "has no alerts"},
		"for a rule that has none":  {path: "/v1/namespaces/a/alerts/events", body: big, code: 409, answer: "takes no posts"},
		"for a SlackChannel":        {path: messages, body: big, code: 413, answer: "larger than 1 MiB"},
		"by who may not":            {path: strings.Replace(alerts, "/a/", "/b/", 1), body: big, code: 403},
		"in UTF-16":                 {path: alerts, body: string(wide(big)), code: 200, answer: "stored", alerts: 2000},
		"many values in small ones": {path: alerts, body: `{"alerts":[` + strings.Repeat(`{},`, 600_000) + `{}]}`, code: 200, answer: "stored", alerts: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if test.change != nil {
				test.change(r)
			}
			w := r.request("POST", test.path, test.body)
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.answer) {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if test.alerts == 0 {
				return
			}
			if p := r.receiver.post; p == nil || p.Partial != test.partial || len(p.Alerts) < test.alerts-20 || len(p.Alerts) > test.alerts {
				t.Errorf("handed on: %+v", p)
			}
		})
	}
}

// A large post that is being sent holds up no other namespace, nor small ones of
// its own; what is taken for it is given back.
func TestLargePostsTakeTurns(t *testing.T) {
	r := newRig(t)
	r.Limits.Large = 2
	r.init()
	address := r.serve()
	slow := func(namespace string) {
		head := fmt.Sprintf("POST /v1/namespaces/%s/alerts/am HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good-%s\r\nContent-Length: 3000000\r\n\r\n", namespace, namespace)
		r.dial(address, head+strings.Repeat(" ", 2<<20))
	}
	reading := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			have := 0
			r.limits.reading.Range(func(any, any) bool { have++; return true })
			if have == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d are being read, not %d", have, n)
			}
		}
	}
	slow("a")
	reading(1)
	if w := r.request("POST", alerts, bigPost(2000)); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a second one of the namespace: %d %s", w.Code, w.Body)
	}
	if w := r.request("POST", alerts, bigPost(1)); w.Code != 200 {
		t.Errorf("a small one: %d %s", w.Code, w.Body)
	}
	slow("b")
	reading(2)
	if w := r.request("POST", strings.Replace(alerts, "/a/", "/c/", 1), bigPost(2000), "Authorization", "Bearer good-c"); w.Code != 503 {
		t.Errorf("a third one: %d %s", w.Code, w.Body)
	}
}

// A slow Alertmanager is asked to come again: it would give up after 408.
func TestSlowPosts(t *testing.T) {
	r := newRig(t)
	r.Limits.ReadTime = 200 * time.Millisecond
	address := r.serve()
	for name, sent := range map[string]int{"small": 10, "large": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			head := "POST " + alerts + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good-a\r\nContent-Length: 3000000\r\n\r\n"
			if got := said(r.dial(address, head+strings.Repeat(" ", sent))); got != "HTTP/1.1 503 Service Unavailable" {
				t.Errorf("told %q", got)
			}
		})
	}
}

// A large post that goes on coming is read to its end, though it takes far longer
// than a request may; one that trickles is not.
func TestLargePostsAtTheirPace(t *testing.T) {
	body := bigPost(2800)
	for name, test := range map[string]struct {
		readTime, pause time.Duration
		piece           int
		says            string
	}{
		"slow, and going on": {2 * time.Second, 100 * time.Millisecond, 32 << 10, "HTTP/1.1 200 OK"},
		"a trickle":          {time.Second, 50 * time.Millisecond, 1 << 10, "HTTP/1.1 503 Service Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Limits.ReadTime, r.Limits.LargeRate = test.readTime, 256<<10
			c := r.dial(r.serve(), fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good-a\r\nContent-Length: %d\r\n\r\n%s", alerts, len(body), body[:5<<18]))
			answer := make(chan string, 1)
			go func() { answer <- said(c) }()
			began := time.Now()
			for rest := body[5<<18:]; len(rest) > 0; rest = rest[min(len(rest), test.piece):] {
				select {
				case got := <-answer:
					if got != test.says {
						t.Fatalf("told %q after %s, with %d bytes to come", got, time.Since(began), len(rest))
					}
					return
				case <-time.After(test.pause): // the sender's pace
				}
				_, _ = io.WriteString(c, rest[:min(len(rest), test.piece)]) // fails when it is refused
			}
			if got := <-answer; got != test.says {
				t.Errorf("told %q after %s", got, time.Since(began))
			}
			if took := time.Since(began); took < 2*test.readTime {
				t.Errorf("it was sent within %s, which shows nothing", took)
			}
		})
	}
}

// wide is a text as PowerShell writes it.
func wide(text string) (out []byte) {
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

// Bodies are read as tools of Windows write them.
func TestBodiesOfWindows(t *testing.T) {
	for name, write := range map[string]func(string) string{
		"UTF-8":                  func(s string) string { return s },
		"with a byte order mark": func(s string) string { return "\ufeff" + s },
		"UTF-16":                 func(s string) string { return string(wide(s)) },
		"other line ends":        func(s string) string { return strings.ReplaceAll(s, " ", "\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Anonymous = true
			if w := r.request("POST", "/message", write(`{ "message":"Grüße\r\nan\u0007alle" }`)); w.Code != 200 {
				t.Errorf("/message: %d %s", w.Code, w.Body)
			}
			if w := r.request("POST", messages, write(`{ "text":"Grüße\r\nan\u0007alle" }`)); w.Code != 201 {
				t.Errorf("%s: %d %s", messages, w.Code, w.Body)
			}
			if w := r.request("POST", alerts, write(`{ "alerts":[{}] }`)); w.Code != 200 {
				t.Errorf("%s: %d %s", alerts, w.Code, w.Body)
			}
			for _, n := range r.notifications() {
				if n.Spec.Text != "Grüße\nanalle" {
					t.Errorf("stored %q", n.Spec.Text)
				}
			}
		})
	}
}
