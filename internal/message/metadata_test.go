package message

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestMetadata(t *testing.T) {
	id := Identity{NotificationUID: "uid-1", Recipient: "user:yueh.liu", ContentHash: "abc", Namespace: "team-a"}
	plain := Metadata(id)
	if got := slices.Sorted(maps.Keys(plain.Payload)); plain.EventType != "slack_notification" || strings.Join(got, " ") != "content notification recipient" {
		t.Errorf("%+v; want the three fields, and no key without one", plain)
	}
	id.IdempotencyKey = "deploy-42"
	keyed := Metadata(id)
	if keyed.Payload[PayloadKey] != KeyHash("team-a", "deploy-42") || keyed.Payload[PayloadNotification] != "uid-1" || keyed.Payload[PayloadContent] != "abc" {
		t.Errorf("%+v; want the key beside the rest", keyed)
	}
	id.Cluster = "0a1b2c3d"
	if got := Metadata(id).Payload[PayloadCluster]; got != "0a1b2c3d" {
		t.Errorf("the cluster is %q", got)
	}
	// Any app of the workspace may read it.
	for name, value := range keyed.Payload {
		if strings.Contains(value, "yueh") || strings.Contains(value, "deploy-42") || strings.Contains(value, "team-a") {
			t.Errorf("%s gives away %q", name, value)
		}
	}
}

// Another namespace that shares the bot must not meet a key, however it is
// written.
func TestKeyHashIsOfOneNamespace(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	seen := map[string]string{}
	for _, pair := range [][2]string{{"a", "b"}, {"a", "c"}, {"b", "b"}, {"ab", ""}, {"a", "b\x00c"}, {"", "ab"}, {"a", "b "}} {
		hash := KeyHash(pair[0], pair[1])
		if other, taken := seen[hash]; taken || !form.MatchString(hash) {
			t.Errorf("%q of %q becomes %s, as %s does", pair[1], pair[0], hash, other)
		}
		seen[hash] = pair[1] + " of " + pair[0]
	}
	// A message must be found by its key after any upgrade of the operator.
	if got, want := KeyHash("team-a", "deploy-42"), "2ed0465a78f18ee0e186d174bd8b04dc"; got != want {
		t.Errorf("the key became %s, was always %s", got, want)
	}
}

func TestMetadataHoldsNoNames(t *testing.T) {
	m := Metadata(Identity{Recipient: "email:ada@example.com"})
	for key, value := range m.Payload {
		if strings.Contains(value, "ada") {
			t.Errorf("%s: %s", key, value)
		}
	}
	if m.Payload["recipient"] == Metadata(Identity{Recipient: "email:bob@example.com"}).Payload["recipient"] {
		t.Error("two recipients look the same")
	}
}
