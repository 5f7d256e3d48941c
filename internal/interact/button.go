// Package interact knows what a click on a button means: which button it was, who
// may press it, and what an answer decides. It is pure: no Kubernetes client, no
// HTTP and no clock.
//
// What a click says of itself is routing data and never authority: whoever takes
// one checks that the message is a delivery of the object that the button names.
package interact

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Button is what the block_id of a row of buttons says. Slack wants a new one for
// each iteration of a message
// (docs.slack.dev/reference/block-kit/blocks/actions-block), so it has Render.
type Button struct {
	// Cluster is ClusterHash of the cluster whose object it is.
	Cluster string
	// UID of the SlackNotification.
	UID types.UID
	// Render names what the message shows, as RenderHash makes it.
	Render string
	// Row of the buttons in the message, from 0 to 9.
	Row int
}

// MaxRows of buttons in a message.
const MaxRows = 10

var blockID = regexp.MustCompile(`^sn1:([0-9a-f]{8}):([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):([0-9a-f]{8})(?::([1-9]))?$`)

// BlockID writes the block_id: at most 60 characters, of which Slack takes 255.
func (b Button) BlockID() string {
	id := "sn1:" + b.Cluster + ":" + string(b.UID) + ":" + b.Render
	if b.Row > 0 {
		id += ":" + strconv.Itoa(b.Row)
	}
	return id
}

// ParseBlockID reads a block_id; false when it is not one of BlockID's.
func ParseBlockID(id string) (Button, bool) {
	parts := blockID.FindStringSubmatch(id)
	if parts == nil {
		return Button{}, false
	}
	row := 0
	if parts[4] != "" {
		row = int(parts[4][0] - '0')
	}
	return Button{Cluster: parts[1], UID: types.UID(parts[2]), Render: parts[3], Row: row}, true
}

// ClusterHash names a cluster by the UID of its namespace kube-system.
func ClusterHash(uid types.UID) string { return hash8("cluster", string(uid)) }

// RenderHash names what a message shows, and to whom.
func RenderHash(content, recipient string) string { return hash8("render", content, recipient) }

// actionPrefix tells the operator's buttons from those of a user's own blocks.
const actionPrefix = "sn:"

// ActionID writes the action_id of an action.
func ActionID(action string) string { return actionPrefix + action }

var actionName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)

// ParseActionID returns the name of the action; false when it is not one of
// ActionID's.
func ParseActionID(id string) (action string, ok bool) {
	action, ok = strings.CutPrefix(id, actionPrefix)
	return action, ok && actionName.MatchString(action)
}

func hash8(parts ...string) string { return hashOf(parts)[:8] }

// hashOf joins the parts so that no two lists make the same input.
func hashOf(parts []string) string {
	sum := sha256.New()
	for _, p := range parts {
		sum.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
