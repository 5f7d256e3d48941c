package cli

import (
	"encoding/json"
	"reflect"
	"testing"
)

// JSON that is made readable says the same.
func FuzzReadable(f *testing.F) {
	f.Add("<@U1> & \\u003c \\\\u003c \"quoted\" \u2028")
	f.Fuzz(func(t *testing.T, text string) {
		data, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			return
		}
		var was, is any
		if json.Unmarshal(data, &was) != nil {
			return
		}
		if err := json.Unmarshal(readable(data), &is); err != nil || !reflect.DeepEqual(was, is) {
			t.Fatalf("%s has become %s (%v)", data, readable(data), err)
		}
	})
}
