package chaos

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// botOf a workspace.
func botOf(team string) string { return "U" + team[1:] + "BOT" }

// grant a token, or have it refused with a code of Slack's.
func (s *scene) grant(team, token, code string) {
	s.t.Helper()
	scopes := s.scopes
	if len(scopes) == 0 {
		scopes = slacksim.AllScopes
	}
	s.sim("tokens?team="+team, slacksim.Token{Token: token, Team: team, BotUser: botOf(team), Scopes: scopes, Error: code})
}

// credential writes a token into the Secret of a workspace. Even the same one
// makes a new version of the Secret, which has the operator look at once.
func (s *scene) credential(team, token string) {
	s.t.Helper()
	secret := &corev1.Secret{ObjectMeta: s.meta("token-" + strings.ToLower(team[1:]))}
	s.must(insist(s.t.Context(), func() error {
		if err := env.Client.Get(s.t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
			return err
		}
		secret.Data = map[string][]byte{"token": []byte(token), "version": []byte(secret.ResourceVersion)}
		return env.Client.Update(s.t.Context(), secret)
	}))
}

// token in the Secret of a workspace.
func (s *scene) token(team string) string {
	s.t.Helper()
	secret := &corev1.Secret{ObjectMeta: s.meta("token-" + strings.ToLower(team[1:]))}
	s.must(env.Client.Get(s.t.Context(), client.ObjectKeyFromObject(secret), secret))
	return string(secret.Data["token"])
}

// channelOf a place is the ID that Slack knows it by.
func channelOf(place string) string { return strings.ToUpper(place) }

// teamOf a place: C<team>X<number>.
func teamOf(place string) string {
	id := channelOf(place)
	return "T" + id[1:strings.LastIndex(id, "X")]
}

// room sets who is in the channel of a place, and whether it is private.
func (s *scene) room(place string, private, bot bool) {
	s.t.Helper()
	c := slacksim.Channel{ID: channelOf(place), Name: place, Private: private}
	if bot {
		c.Members = []string{botOf(teamOf(place))}
	}
	s.sim("channels?team="+teamOf(place), c)
}

// taken waits until Slack has at least n more messages than there were.
func (s *scene) taken(before, n int) {
	s.t.Helper()
	s.Eventually(s.total).WithPolling(20 * time.Millisecond).Should(gomega.BeNumerically(">=", before+n))
}

// total of the messages that Slack has.
func (s *scene) total() int {
	total := 0
	for _, n := range s.received() {
		total += n
	}
	return total
}

// doubts makes that many of the answers get lost after Slack took the message.
func (s *scene) doubts(probability float64) {
	s.t.Helper()
	s.fault(slacksim.Fault{Method: "chat.postMessage", Kind: "close_after", Times: -1, Probability: probability})
}

// ask annotates all SlackChannels and SlackNotifications with a request to look now.
func (s *scene) ask(value string) {
	s.t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{v1alpha1.AnnotationRequestedAt: value}}})
	s.must(err)
	for _, list := range []client.ObjectList{&v1alpha1.SlackChannelList{}, &v1alpha1.SlackNotificationList{}} {
		s.must(env.Client.List(s.t.Context(), list, client.InNamespace(s.name)))
		s.must(meta.EachListItem(list, func(o runtime.Object) error {
			return env.Client.Patch(s.t.Context(), o.(client.Object), client.RawPatch(types.MergePatchType, patch))
		}))
	}
}

// change one notification that others may write too.
func (s *scene) change(i int, change func(n *v1alpha1.SlackNotification)) {
	s.t.Helper()
	n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: s.name, Name: nth(i)}}
	s.must(insist(s.t.Context(), func() error {
		if err := env.Client.Get(s.t.Context(), client.ObjectKeyFromObject(n), n); err != nil {
			return err
		}
		change(n)
		return env.Client.Update(s.t.Context(), n)
	}))
}

// list all notifications.
func (s *scene) list() []v1alpha1.SlackNotification {
	s.t.Helper()
	list := &v1alpha1.SlackNotificationList{}
	s.must(env.Client.List(s.t.Context(), list, client.InNamespace(s.name)))
	return list.Items
}

// upToDate waits until the status of each notification is about its spec as it
// is, and says Delivered.
func (s *scene) upToDate() {
	s.t.Helper()
	s.Eventually(func() (open []string) {
		for _, n := range s.list() {
			if n.Status.Phase != v1alpha1.PhaseDelivered || n.Status.ObservedGeneration != n.Generation {
				open = append(open, n.Name+" "+string(n.Status.Phase))
			}
		}
		return open
	}).Should(gomega.BeEmpty())
}

// end stops an operator, and fails the test on what its log holds.
func (s *scene) end(o *harness.Operator) {
	s.t.Helper()
	o.Stop()
	s.must(o.Autopsy(0))
}

// get reads an object anew.
func (s *scene) get(o client.Object) error {
	return env.Client.Get(s.t.Context(), client.ObjectKeyFromObject(o), o)
}
