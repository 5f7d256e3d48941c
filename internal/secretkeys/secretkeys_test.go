package secretkeys

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestHas(t *testing.T) {
	many := map[string][]byte{}
	for i := range 12 {
		many[fmt.Sprintf("k%02d", i)] = []byte("xoxb-secret")
	}
	for _, c := range []struct {
		name string
		data map[string][]byte
		want string
	}{
		{"none", nil, "it has none"},
		{"one", map[string][]byte{"token": []byte("xoxb-secret")}, `it has "token"`},
		{"in order", map[string][]byte{"url": nil, "a": nil}, `it has "a", "url"`},
		{"many", many, `it has "k00", "k01", "k02", "k03", "k04", "k05", "k06", "k07", "k08", "k09" and 2 more`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Has(&corev1.Secret{Data: c.data})
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if strings.Contains(got, "xoxb") {
				t.Error("it tells a value")
			}
		})
	}
}
