package alertmanager

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// inPieces reads a post in pieces of a size.
func inPieces(data string, size int) (Payload, error) {
	r := NewReader()
	for rest := data; rest != ""; rest = rest[min(size, len(rest)):] {
		_, _ = r.Write([]byte(rest[:min(size, len(rest))]))
	}
	return r.Payload()
}

// What is said after the list of alerts counts for them as well.
func TestReaderOrder(t *testing.T) {
	for name, data := range map[string]string{
		"as Alertmanager writes it": `{"receiver":"r","status":"resolved","alerts":[{"fingerprint":"a"},{"fingerprint":"b","status":"resolved"}],"groupLabels":{"a":"b"},"externalURL":"http://am","version":"4","groupKey":"g","truncatedAlerts":2}`,
		"alerts first":              `{"alerts":[{"fingerprint":"a"},{"fingerprint":"b","status":"resolved"}],"truncatedAlerts":2,"groupKey":"g","version":"4","status":"resolved","externalURL":"http://am","receiver":"r","groupLabels":{"a":"b"}}`,
		"names in other letters":    `{"Alerts":[{"Fingerprint":"a"},{"FINGERPRINT":"b","status":"RESOLVED"}],"TruncatedAlerts":2,"GroupKey":"g","Status":"resolved","externalurl":"http://am","receiver":"r","GroupLabels":{"a":"b"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			p, err := inPieces(data, 7)
			if err != nil {
				t.Fatal(err)
			}
			if p.Status != Resolved || p.GroupKey != "g" || p.Truncated != 2 || p.Receiver != "r" || p.ExternalURL != "http://am" || p.GroupLabels["a"] != "b" ||
				len(p.Alerts) != 2 || p.Alerts[0].Status != Resolved || p.Partial {
				t.Errorf("%+v", p)
			}
		})
	}
}

// What stands in an alert's words is no field of the post.
func TestReaderIsNotFooled(t *testing.T) {
	p, err := inPieces(`{"alerts":[{"fingerprint":"a","labels":{"x":"\"groupKey\":\"evil\",\"status\":\"resolved\"}]}"},"annotations":{"groupKey":"evil"}}],"groupKey":"good"}`, 5)
	if err != nil || p.GroupKey != "good" || p.Status != Firing || len(p.Alerts) != 1 {
		t.Errorf("%v: %+v", err, p)
	}
}

// A large post takes bounded memory: what fires is kept first, and the rest is
// counted.
func TestReaderBounds(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"status":"firing","alerts":[`)
	for i := range 12_000 {
		status := "resolved"
		if i >= 6000 {
			status = "firing"
		}
		fmt.Fprintf(&b, `{"status":%q,"fingerprint":"f%d","labels":{"alertname":"A","pad":%q},"annotations":{"summary":%q}},`, status, i, strings.Repeat("l", 400), strings.Repeat("s", 400))
	}
	fmt.Fprintf(&b, `{"fingerprint":"large","labels":{"a":%q}}],"groupKey":"g"}`, strings.Repeat("x", maxPart))
	p, err := inPieces(b.String(), 32<<10)
	if err != nil {
		t.Fatal(err)
	}
	if p.Status != Firing || len(p.Alerts) != 2*maxKnown || p.More != 1000 || p.MoreResolved != 1000 || p.Truncated != 1 || p.Complete() || p.GroupKey != "g" {
		t.Errorf("%s: %d alerts, %d and %d more, %d truncated", p.Status, len(p.Alerts), p.More, p.MoreResolved, p.Truncated)
	}
	size := 0
	for _, a := range p.Alerts {
		for key, value := range a.Labels {
			size += len(key) + len(value)
		}
		for key, value := range a.Annotations {
			size += len(key) + len(value)
		}
	}
	if size > roomFiring+roomResolved || size < roomFiring/2 {
		t.Errorf("%d bytes of labels and annotations", size)
	}
	if s, _ := Merge(State{}, p); s.Firing() != 6_001 {
		t.Errorf("%d fire", s.Firing())
	}
}

// What ends amid it is known to be a part.
func TestReaderOfAPart(t *testing.T) {
	for name, test := range map[string]struct {
		data   string
		alerts int
		group  string
	}{
		"amid an alert":            {`{"status":"firing","alerts":[{"fingerprint":"a"},{"fingerprint":"b"`, 1, ""},
		"after the group's name":   {`{"groupKey":"g","alerts":[{"fingerprint":"a"},`, 1, "g"},
		"before anything is known": {`{"receiver":"x`, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := inPieces(test.data, 3)
			if err != nil || !p.Partial || p.Complete() || len(p.Alerts) != test.alerts || p.GroupKey != test.group {
				t.Errorf("%v: %+v", err, p)
			}
		})
	}
	for _, data := range []string{"", "x", "[1]", `{"alerts":[}`, `{"alerts":,}`, `{,"a"1}`, `{"alerts":{}}`, `{"alerts":[1]}`, `{]`} {
		_, err := inPieces(data, 2)
		var refused *PayloadError
		if !errors.As(err, &refused) {
			t.Errorf("%q: %v, want a refusal", data, err)
		}
	}
}

// In pieces a post says what it says at once.
func FuzzReader(f *testing.F) {
	f.Add([]byte(example), 3)
	f.Add([]byte(`{"alerts":[{},{"status":"resolved"}],"status":"resolved","groupKey":5,"orgId":1}`), 1)
	f.Add([]byte("\xff\xfe{\x00}\x00"), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = max(size%100, 1)
		got, err := inPieces(string(data), size)
		want, refused := Decode(data)
		if refused != nil {
			return // it need not see all that is wrong
		}
		if err != nil {
			t.Fatalf("in pieces of %d: %v", size, err)
		}
		got.Size, want.Size = 0, 0
		if !reflect.DeepEqual(got, want) {
			t.Errorf("in pieces of %d:\n%+v\nat once:\n%+v", size, got, want)
		}
	})
}
