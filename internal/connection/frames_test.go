package connection

import (
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// What comes by all the connections of a tenant's own proxy shares one memory, however
// many Slack apps he names; the operator's own way has none to share.
func TestPrivateSocketsShareMemory(t *testing.T) {
	c := newCluster(t, secret("one", "appToken", "xapp-1"), secret("two", "appToken", "xapp-2"), secret("proxy", "address", "http://127.0.0.1:1"))
	c.r.Proxies, _ = egress.NewProxyRules([]string{"127.0.0.1:1"}, "")
	memory := func(secret, proxy string) *egress.Budget {
		t.Helper()
		o := byToken()
		if proxy != "" {
			o = withConnection(o, proxy, "")
		}
		o.Spec.Interactions = &v1alpha1.Interactions{AppTokenSecretRef: &v1alpha1.SecretKeyReference{Name: secret, Key: "appToken"}}
		s, err := c.r.Socket(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s.Frames
	}
	if one, two := memory("one", "proxy"), memory("two", "proxy"); one == nil || one != two {
		t.Errorf("two apps by a tenant's proxy have the memory %p and %p, want one for both", one, two)
	}
	if own := memory("one", ""); own != nil {
		t.Error("the operator's own way has a tenant's bound")
	}
}
