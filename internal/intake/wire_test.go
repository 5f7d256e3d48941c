package intake

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is sent counts, and not how: versions and forms of HTTP that clients use.
func TestFormsOfARequest(t *testing.T) {
	const body = `{"more": 1, "message": "Hello"}`
	plain := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	for _, test := range []struct {
		name, request string
		code          int
		answer        string
	}{
		{"HTTP/1.1", "POST /message HTTP/1.1\r\nHost: x\r\n" + plain, 200, `Received message: "Hello"`},
		{"HTTP/1.0", "POST /message HTTP/1.0\r\n" + plain, 200, `Received message: "Hello"`},
		{"names in lower case", "POST /message HTTP/1.1\r\nhost: x\r\n" + strings.ToLower(plain[:14]) + plain[14:], 200, `Received message: "Hello"`},
		{"in chunks", "POST /message HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5] + fmt.Sprintf("\r\n%x\r\n", len(body)-5) + body[5:] + "\r\n0\r\n\r\n", 200, `Received message: "Hello"`},
		{"a form by its type alone", "POST /message HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" + plain, 200, `Received message: "Hello"`},
		{"closed afterwards", "POST /message HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + plain, 200, `Received message: "Hello"`},
		{"a whole address", "POST http://x/message HTTP/1.1\r\nHost: x\r\n" + plain, 200, `Received message: "Hello"`},
		{"with a query", "POST /message?a=b HTTP/1.1\r\nHost: x\r\n" + plain, 200, `Received message: "Hello"`},
		{"not compressed", "POST /message HTTP/1.1\r\nHost: x\r\nContent-Encoding: Identity\r\n" + plain, 200, `Received message: "Hello"`},
		{"compressed", "POST /message HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n" + plain, 415, "the body is compressed (Content-Encoding), and is not read: have the sender send it as it is\n"},
		{"compressed for an alert", "POST /v1/namespaces/a/alerts/am HTTP/1.1\r\nHost: x\r\nContent-Encoding: zstd\r\n" + plain, 415, "the body is compressed (Content-Encoding), and is not read: have the sender send it as it is\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.Anonymous, r.Reviewer = true, nil
			server := httptest.NewServer(r)
			defer server.Close()
			conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, test.request); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			answer, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.code || string(answer) != test.answer {
				t.Errorf("%d %q, %v", resp.StatusCode, answer, err)
			}
		})
	}
}
