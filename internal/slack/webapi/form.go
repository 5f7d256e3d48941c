package webapi

import (
	"encoding/json"
	"regexp"
)

// The forms of what names things in Slack. Slack documents IDs as opaque strings
// that begin with a letter for their kind; all that are known are of capitals
// and digits and far shorter than this. What has another form is not Slack's.
var (
	conversationID = regexp.MustCompile(`^[CGD][A-Z0-9]{1,40}$`)
	directID       = regexp.MustCompile(`^D[A-Z0-9]{1,40}$`)
	userID         = regexp.MustCompile(`^[UW][A-Z0-9]{1,40}$`)
	botID          = regexp.MustCompile(`^B[A-Z0-9]{1,40}$`)
	groupID        = regexp.MustCompile(`^S[A-Z0-9]{1,40}$`)
	teamID         = regexp.MustCompile(`^[TE][A-Z0-9]{1,40}$`)
	// Slack's have six decimals; a server in its place may have others.
	timestamp = regexp.MustCompile(`^([0-9]{1,12}\.[0-9]{6}|[0-9]{10}(\.[0-9]{1,9})?)$`)
	scopeName = regexp.MustCompile(`^[a-z0-9._:-]{1,64}$`)
)

// maxText bounds each text that is taken over from an answer, in bytes. The
// longest is a topic: 250 characters, escaped.
const maxText = 2000

// text is a string of an answer: empty when it is of another type or beyond
// maxText, so that one odd field spoils nothing but itself.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) != nil || len(s) > maxText {
		s = ""
	}
	*t = text(s)
	return nil
}

// flag is a boolean of an answer: false when it is of another type.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(data []byte) error {
	var b bool
	*f = flag(json.Unmarshal(data, &b) == nil && b)
	return nil
}

// number is a whole number of an answer: 0 when it is of another type.
type number int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(data []byte) error {
	var i int64
	if json.Unmarshal(data, &i) != nil {
		i = 0
	}
	*n = number(i)
	return nil
}

// described is a text in an object, as topics are.
type described struct{ Value text }

// UnmarshalJSON implements json.Unmarshaler.
func (d *described) UnmarshalJSON(data []byte) error {
	var object struct {
		Value text `json:"value"`
	}
	if json.Unmarshal(data, &object) == nil {
		d.Value = object.Value
	}
	return nil
}

// bounded is a text of an answer that slack-go has read.
func bounded(s string) string {
	if len(s) > maxText {
		return ""
	}
	return s
}

// matching is s when it has the form, else empty.
func matching(form *regexp.Regexp, s string) string {
	if form.MatchString(s) {
		return s
	}
	return ""
}
