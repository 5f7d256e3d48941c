package slack

import (
	"strings"
	"testing"
)

// Whoever reads a status must be told what to do, unless waiting is enough.
func TestEveryClassThatNeedsAPersonHasAdvice(t *testing.T) {
	for class := ClassUnknown; class <= ClassAlreadyDone; class++ {
		e := &Error{Class: class, Method: MethodPostMessage}
		if needs := !class.Transient() && class != ClassAlreadyDone; (e.Advice() != "") != needs {
			t.Errorf("class %d advises %q; want advice %v", class, e.Advice(), needs)
		}
	}
}

func TestAdvice(t *testing.T) {
	for name, c := range map[string]struct {
		e    Error
		want string
	}{
		"scope":          {Error{Class: ClassMissingScope, Method: "m", Needed: "im:write"}, "add the bot scope im:write to the Slack app, and reinstall the app"},
		"scopes":         {Error{Class: ClassMissingScope, Method: "m", Needed: "a:read,b:read"}, "add one of the bot scopes a:read, b:read to the Slack app, and reinstall the app"},
		"unnamed scope":  {Error{Class: ClassMissingScope, Method: "m"}, "add the scope that m needs to the Slack app, and reinstall the app"},
		"of the code":    {Error{Class: ClassAccessDenied, Remedy: "ask Ada"}, "ask Ada"},
		"passes by time": {Error{Class: ClassRateLimited}, ""},
	} {
		if got := c.e.Advice(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAnswersAreOfAClosedSet(t *testing.T) {
	known := func(code string) bool { return code == "is_archived" }
	for code, want := range map[string]string{
		"is_archived": "is_archived", "made_up": "other", "": "no_answer", "http_503": "http_503", "http_599": "other",
		"http_": "other", "http_0503": "http_503", "http_" + strings.Repeat("9", 50): "other",
	} {
		if got := AnswerOf(&Error{Code: code}, known); got != want {
			t.Errorf("%q is told as %q, want %q", code, got, want)
		}
	}
	if got := AnswerOf(nil, known); got != "ok" {
		t.Errorf("a success is told as %q", got)
	}
}
