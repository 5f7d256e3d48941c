package interact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"time"
)

// Headers of a request that Slack has signed.
const (
	HeaderSignature = "X-Slack-Signature"
	HeaderTimestamp = "X-Slack-Request-Timestamp"
)

// maxAge of a signed request, in either direction, since clocks differ
// (docs.slack.dev/authentication/verifying-requests-from-slack).
const maxAge = 5 * time.Minute

// Recent reports whether a request was signed within five minutes of now, by what
// its header says.
func Recent(timestamp string, now time.Time) bool {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 || strconv.FormatInt(seconds, 10) != timestamp {
		return false
	}
	age := now.Sub(time.Unix(seconds, 0))
	return age <= maxAge && age >= -maxAge
}

// Signed reports whether a body carries the signature that Slack makes with an
// app's signing secret. It takes as long for a wrong signature as for a right one.
// An empty secret signs nothing.
func Signed(secret []byte, timestamp, signature string, body []byte) bool {
	sum, ok := strings.CutPrefix(signature, "v0=")
	have, err := hex.DecodeString(sum)
	if !ok || err != nil || len(secret) == 0 {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, "v0:"+timestamp+":") // a hash takes all
	_, _ = mac.Write(body)
	return hmac.Equal(have, mac.Sum(nil))
}
