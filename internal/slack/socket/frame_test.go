package socket

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestDecode(t *testing.T) {
	for name, row := range map[string]struct {
		raw  string
		want frame
	}{
		"hello": {`{"type":"hello","num_connections":2,"connection_info":{"app_id":"A012"},"debug_info":{"approximate_connection_time":18060}}`,
			frame{kind: kindHello, app: "A012", connections: 2, life: 18060 * time.Second}},
		"hello of other types": {`{"type":"hello","num_connections":"two","connection_info":[],"debug_info":{"approximate_connection_time":-5}}`, frame{kind: kindHello}},
		"hello of no app":      {`{"type":"hello","connection_info":{"app_id":"<!channel>"}}`, frame{kind: kindHello}},
		"hello for ever":       {`{"type":"hello","debug_info":{"approximate_connection_time":1e300}}`, frame{kind: kindHello}},
		"disconnect":           {`{"type":"disconnect","reason":"link_disabled","debug_info":{"host":"x"}}`, frame{kind: kindDisconnect, reason: "link_disabled"}},
		"interactive":          {`{"envelope_id":"e","type":"interactive","payload":{"a":[1]}}`, frame{kind: kindInteractive, envelope: "e", payload: json.RawMessage(`{"a":[1]}`)}},
		"event":                {`{"envelope_id":"e","type":"events_api","payload":{}}`, frame{kind: kindOther, envelope: "e"}},
		"envelope of no type":  {`{"envelope_id":"e","type":5}`, frame{kind: kindOther, envelope: "e"}},
		"long envelope_id":     {`{"envelope_id":"` + strings.Repeat("e", 201) + `","type":"interactive"}`, frame{}},
		"no object":            {`[1]`, frame{}},
		"no JSON":              {`hello`, frame{}},
		"deep":                 {`{"type":"hello","x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`, frame{}},
		"number for an ID":     {`{"envelope_id":5,"type":"interactive"}`, frame{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := decode([]byte(row.raw))
			if got.kind != row.want.kind || got.envelope != row.want.envelope || string(got.payload) != string(row.want.payload) || got.reason != row.want.reason ||
				got.app != row.want.app || got.connections != row.want.connections || got.life != row.want.life {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","num_connections":2,"connection_info":{"app_id":"A012"},"debug_info":{"approximate_connection_time":3600}}`,
		`{"type":"disconnect","reason":"warning"}`, `{"envelope_id":"e","type":"interactive","payload":{}}`, `{"envelope_id":"e","payload":`, `null`, `{"type":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := decode(data)
		if got.life < 0 || got.life > maxLife || got.connections < 0 || got.connections > maxConnections || len(got.envelope) > maxEnvelope {
			t.Errorf("%q is read as %+v", data, got)
		}
		if got.app != "" && !appID.MatchString(got.app) {
			t.Errorf("%q is read as of the app %q", data, got.app)
		}
		if (got.kind == kindInteractive || got.kind == kindOther) == (got.envelope == "") {
			t.Errorf("%q is read as %+v: what is acknowledged has an ID, and nothing else", data, got)
		}
		if got.kind == kindInteractive && len(got.payload) > 0 && !json.Valid(got.payload) {
			t.Errorf("%q has the payload %q", data, got.payload)
		}
	})
}
