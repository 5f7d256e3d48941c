package slacksim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A message that is made older goes before what was there, and takes along the
// replies to it.
func TestAge(t *testing.T) {
	s := start(t)
	early := s.post(general, `"text":"early"`)
	late := s.post(general, `"text":"late"`)
	reply := s.post(general, `"text":"reply","thread_ts":"`+late+`"`)
	body := fmt.Sprintf(`{"channel":%q,"ts":%q,"seconds":691200}`, general, late)
	resp, err := http.Post(s.url+"/_sim/age", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s for %s", resp.Status, body)
	}
	var list []Message
	s.get("messages?channel="+general, &list)
	var texts []string
	for _, m := range list {
		texts = append(texts, m.Text)
	}
	if want := "late early reply"; strings.Join(texts, " ") != want {
		t.Errorf("the channel holds %q, want %q", texts, want)
	}
	if got := s.stored(general, reply).ThreadTS; got != list[0].TS || got == late {
		t.Errorf("the reply is below %q, want the new ts %q", got, list[0].TS)
	}
	if s.stored(general, early).Text != "early" {
		t.Error("another message was changed")
	}
	for ts, want := range map[string]int{"1.000001": http.StatusNotFound, "": http.StatusNotFound} {
		resp, err := http.Post(s.url+"/_sim/age", "application/json", strings.NewReader(fmt.Sprintf(`{"channel":%q,"ts":%q,"seconds":1}`, general, ts)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("a message %q that is not there: %s, want %d", ts, resp.Status, want)
		}
	}
}
