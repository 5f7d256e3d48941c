package slacksim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// sendHTTP tells an app of a press at its Request URL, signed as in
// docs.slack.dev/authentication/verifying-requests-from-slack.
func (s *Server) sendHTTP(app *App, p *Press) {
	status, err := postSigned(app, p.Payload, time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Via, p.Status = "http", status
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		s.settle(p, FateWarned, "Operation timed out. Apps need to respond within three seconds")
	case err != nil:
		s.settle(p, FateWarned, "the app can't be reached: "+err.Error())
	case status != http.StatusOK:
		s.settle(p, FateWarned, fmt.Sprintf("This app responded with status code %d", status))
	default:
		s.settle(p, FateAcked, "")
	}
}

func postSigned(app *App, payload []byte, now time.Time) (int, error) {
	ctx, end := context.WithTimeout(context.Background(), ackTime)
	defer end()
	body := url.Values{"payload": {string(payload)}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.RequestURL, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	at := fmt.Sprint(now.Unix())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	req.Header.Set("X-Slack-Request-Timestamp", at)
	req.Header.Set("X-Slack-Signature", Signature(app.SigningSecret, at, body))
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // of a block action's answer nothing is read
	return resp.StatusCode, nil
}

// Signature of a request by an app's signing secret, sent at a Unix time.
func Signature(secret, at, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, "v0:"+at+":"+body) // a hash takes all
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}
