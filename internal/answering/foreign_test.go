package answering

import (
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// What is told as another cluster's is what another cluster has posted, and nothing
// that somebody wrote into a message of this one's or sent by a webhook.
func TestElsewhere(t *testing.T) {
	const bot, here, there = "U0BOT", "0a1b2c3d", "99999999"
	of := func(cluster string) *slack.Metadata { return message.Metadata(message.Identity{Cluster: cluster}) }
	for name, row := range map[string]struct {
		message slack.StoredMessage
		want    bool
	}{
		"another cluster's":                        {slack.StoredMessage{UserID: bot, Metadata: of(there)}, true},
		"another cluster's, under a name":          {slack.StoredMessage{BotID: "B0", Metadata: of(there)}, true},
		"its own with buttons":                     {slack.StoredMessage{UserID: bot, Metadata: of(here)}, false},
		"its own without buttons, or an older one": {slack.StoredMessage{UserID: bot, Metadata: of("")}, false},
		"of another program with the token":        {slack.StoredMessage{UserID: bot}, true},
		"with another's metadata":                  {slack.StoredMessage{UserID: bot, Metadata: &slack.Metadata{EventType: "deploy", Payload: map[string]string{"cluster": there}}}, true},
		"of a webhook":                             {slack.StoredMessage{BotID: "B0"}, false},
		"of a webhook with another's metadata":     {slack.StoredMessage{BotID: "B0", Metadata: &slack.Metadata{EventType: "deploy", Payload: map[string]string{"cluster": there}}}, false},
		"of nobody":                                {slack.StoredMessage{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := elsewhere(row.message, bot, here); got != row.want {
				t.Errorf("it is another cluster's: %v", got)
			}
		})
	}
	if elsewhere(slack.StoredMessage{}, "", here) {
		t.Error("a bot that is not known has posted it")
	}
}
