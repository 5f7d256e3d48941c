package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

func delivered() look { return current("Delivered", v1alpha1.ReasonDelivered) }

func TestPlainDelivery(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c")
	seen := w.watchVersions(n)
	w.becomes(n, delivered())
	w.Expect(n.Status.Summary).To(gomega.Equal("1/1"))
	w.Expect(n.Status.FinishedAt).NotTo(gomega.BeNil())
	w.Expect(n.Status.ObservedGeneration).To(gomega.Equal(n.Generation))
	d := n.Status.Deliveries[0]
	w.Expect(d.Recipient).To(gomega.Equal("default"))
	w.Expect(d.ConversationID).To(gomega.Equal(w.id("C", "ALERTS")))
	w.Expect(d.Attempts).To(gomega.BeEquivalentTo(1))
	w.Expect(d.ContentHash).NotTo(gomega.BeEmpty())
	w.Expect(d.LastAttemptAt).NotTo(gomega.BeNil())
	w.Expect(d.DeliveredAt).NotTo(gomega.BeNil())
	w.Expect(d.Reason + d.Message).To(gomega.BeEmpty())
	got := w.messages(w.id("C", "ALERTS"))
	w.Expect(got).To(gomega.HaveLen(1))
	w.Expect(got[0].Text).To(gomega.Equal("text of n"))
	w.Expect(got[0].TS).To(gomega.Equal(d.Timestamp))
	w.Expect(string(got[0].Metadata)).To(gomega.ContainSubstring(string(n.UID)))
	w.Expect(d.Permalink).To(gomega.HaveSuffix("/archives/" + w.id("C", "ALERTS") + "/p" + strings.ReplaceAll(d.Timestamp, ".", "")))

	// One write to the API server for a plain delivery.
	w.Expect(seen.until(d.Timestamp)).To(gomega.Equal(1))
}

// versions watches an object from its creation on.
type versions struct {
	w     *world
	watch watch.Interface
}

func (w *world) watchVersions(o client.Object) *versions {
	w.t.Helper()
	watching, err := env.client.Watch(w.ctx, &v1alpha1.SlackNotificationList{}, &client.ListOptions{
		Namespace: o.GetNamespace(), Raw: &metav1.ListOptions{ResourceVersion: o.GetResourceVersion(), FieldSelector: "metadata.name=" + o.GetName()},
	})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.t.Cleanup(watching.Stop)
	return &versions{w, watching}
}

// until counts the writes up to the one that has a timestamp.
func (v *versions) until(timestamp string) int {
	v.w.t.Helper()
	for count := 1; ; count++ {
		select {
		case e := <-v.watch.ResultChan():
			n, ok := e.Object.(*v1alpha1.SlackNotification)
			v.w.Expect(ok).To(gomega.BeTrue())
			if len(n.Status.Deliveries) > 0 && n.Status.Deliveries[0].Timestamp == timestamp {
				return count
			}
		case <-time.After(patience):
			v.w.t.Fatal("the write was not seen")
		}
	}
}

// Every way to name a recipient.
func TestRecipients(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c", to(
		user("yueh.liu"), user("@ada"), user("Sam One"), user(w.id("U", "SAM2")), email("ADA@example.com"),
		room("#deploys"), room(w.id("C", "OPS")), room("other"),
	), func(n *v1alpha1.SlackNotification) {
		n.Spec.Sender = &v1alpha1.Sender{Username: "ua-bot", IconEmoji: ":robot_face:"}
	})
	w.becomes(n, delivered())
	w.Expect(n.Status.Summary).To(gomega.Equal("8/8"))
	want := []string{w.id("U", "YUEH"), w.id("U", "ADA"), w.id("U", "SAM1"), w.id("U", "SAM2"), w.id("U", "ADA")}
	for i, id := range want {
		d := n.Status.Deliveries[i]
		w.Expect(d.UserID).To(gomega.Equal(id))
		w.Expect(d.ConversationID).To(gomega.HavePrefix("D"), "a message with a sender to a user's ID would land with Slackbot")
		w.Expect(w.messages(d.ConversationID)).NotTo(gomega.BeEmpty())
	}
	got := w.messages(n.Status.Deliveries[0].ConversationID)
	w.Expect(got[0].Username).To(gomega.Equal("ua-bot"))
	w.Expect(got[0].IconEmoji).To(gomega.Equal(":robot_face:"))
	// The bot was not in #other, and has joined it.
	w.Expect(n.Status.Deliveries[7].ConversationID).To(gomega.Equal(w.id("C", "OTHER")))
}

// Every reason of a delivery that needs a person.
func TestStalledDeliveries(t *testing.T) {
	post := func(code string) func(w *world) {
		return func(w *world) {
			w.fault(slacksim.Fault{Method: "chat.postMessage", Channel: w.id("C", "DEPLOYS"), Kind: "error", Code: code, Times: -1})
		}
	}
	cases := []struct {
		name      string
		recipient func(w *world) v1alpha1.Recipient
		setup     func(w *world)
		reason    string
		says      []string
	}{
		{"unknown user", func(*world) v1alpha1.Recipient { return user("nobody") }, nil, v1alpha1.ReasonUserNotFound, []string{`"nobody"`, "handle"}},
		{"unknown e-mail", func(*world) v1alpha1.Recipient { return email("nobody@example.com") }, nil, v1alpha1.ReasonUserNotFound, []string{"nobody@example.com"}},
		{"ambiguous name", func(*world) v1alpha1.Recipient { return user("Sam") }, nil, v1alpha1.ReasonUserAmbiguous, []string{"sam.one", "sam.two"}},
		{"deactivated user", func(*world) v1alpha1.Recipient { return user("gone") }, nil, v1alpha1.ReasonUserDeactivated, []string{"Gone Away"}},
		{"a bot", func(*world) v1alpha1.Recipient { return user("otherbot") }, nil, v1alpha1.ReasonUserNotMessageable, []string{"is a bot"}},
		{"messages tab off", func(*world) v1alpha1.Recipient { return user("shy") }, nil, v1alpha1.ReasonUserNotMessageable, []string{"messages_tab_disabled", "App Home"}},
		{"unknown channel", func(*world) v1alpha1.Recipient { return room("nowhere") }, nil, v1alpha1.ReasonChannelNotFound, []string{`"nowhere"`}},
		{"archived channel", func(*world) v1alpha1.Recipient { return room("old") }, nil, v1alpha1.ReasonChannelArchived, []string{"archived"}},
		{"read-only channel", func(*world) v1alpha1.Recipient { return room("readonly") }, nil, v1alpha1.ReasonPostingRestricted, []string{"read-only"}},
		{"not in channel", func(*world) v1alpha1.Recipient { return room("other") }, func(w *world) {
			w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write", "channels:read"}})
		}, v1alpha1.ReasonMissingScope, []string{"channels:join"}},
		{"invite only", func(*world) v1alpha1.Recipient { return room("deploys") }, post("not_in_channel"), v1alpha1.ReasonNotInChannel, []string{"invite"}},
		{"quota", func(*world) v1alpha1.Recipient { return room("deploys") }, post("message_limit_exceeded"), v1alpha1.ReasonQuotaExceeded, []string{"plan"}},
		{"rejected", func(*world) v1alpha1.Recipient { return room("deploys") }, post("invalid_blocks"), v1alpha1.ReasonMessageRejected, []string{"invalid_blocks"}},
		{"fault of ours", func(*world) v1alpha1.Recipient { return room("deploys") }, post("invalid_arg_name"), v1alpha1.ReasonInternalError, []string{"report"}},
		{"scope", func(*world) v1alpha1.Recipient { return room("deploys") }, post("missing_scope"), v1alpha1.ReasonMissingScope, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.setup != nil {
				c.setup(w)
			}
			w.ready(w.webAPI("c", "#alerts"))
			n := w.notify("n", "c", to(c.recipient(w)))
			w.becomes(n, stalled("Failed", c.reason))
			w.Expect(n.Status.Deliveries[0].State).To(gomega.Equal(v1alpha1.DeliveryFailed))
			w.Expect(n.Status.Deliveries[0].Reason).To(gomega.Equal(c.reason))
			for _, part := range c.says {
				w.Expect(w.message(n)).To(gomega.ContainSubstring(part))
			}
			// A person must act, so there is a Warning.
			w.Eventually(func() []string { return w.warnings("SlackNotification", "n") }).Should(gomega.ContainElement(c.reason))
		})
	}
}

// What is wrong with the SlackChannel, or the reference to it.
func TestBlockedNotifications(t *testing.T) {
	cases := []struct {
		name   string
		setup  func(w *world)
		change func(n *v1alpha1.SlackNotification)
		want   look
		says   string
	}{
		{"no SlackChannel", func(*world) {}, nil, stalled("Pending", v1alpha1.ReasonSlackChannelNotFound), `SlackChannel "c" does not exist`},
		{"SlackChannel suspended", func(w *world) {
			w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) { c.Spec.Suspend = true })
		}, nil, held("Pending", v1alpha1.ReasonSlackChannelSuspended), "is suspended"},
		{"SlackChannel not ready", func(w *world) { w.webAPI("c", "nowhere") }, nil,
			stalled("Pending", v1alpha1.ReasonChannelNotFound), `"nowhere"`},
		{"no channel and no recipients", func(w *world) { w.webAPI("c", "") }, nil,
			stalled("Pending", v1alpha1.ReasonChannelRequired), "spec.recipients"},
		{"recipients by webhook", func(w *world) { w.hooked("c", w.hook) }, to(user("ada")),
			stalled("Pending", v1alpha1.ReasonRecipientsNotSupported), "incoming webhook"},
		{"suspended", func(w *world) { w.webAPI("c", "alerts") }, func(n *v1alpha1.SlackNotification) { n.Spec.Suspend = true },
			held("Suspended", v1alpha1.ReasonSuspended), "spec.suspend"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.setup(w)
			var changes []func(*v1alpha1.SlackNotification)
			if c.change != nil {
				changes = append(changes, c.change)
			}
			n := w.notify("n", "c", changes...)
			w.becomes(n, c.want)
			w.Expect(w.message(n)).To(gomega.ContainSubstring(c.says))
			w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.BeEmpty())
		})
	}
}

// Whatever a notification waits for wakes it when it comes.
func TestWakesWhenMended(t *testing.T) {
	t.Run("SlackChannel comes later", func(t *testing.T) {
		w := newWorld(t)
		n := w.notify("n", "c")
		w.becomes(n, stalled("Pending", v1alpha1.ReasonSlackChannelNotFound))
		w.webAPI("c", "alerts")
		w.becomes(n, delivered())
	})
	t.Run("SlackChannel is mended", func(t *testing.T) {
		w := newWorld(t)
		c := w.webAPI("c", "nowhere")
		n := w.notify("n", "c")
		w.becomes(n, stalled("Pending", v1alpha1.ReasonChannelNotFound))
		w.update(c, func() { c.Spec.WebAPI.Channel = "alerts" })
		w.becomes(n, delivered())
	})
	t.Run("suspend is lifted", func(t *testing.T) {
		w := newWorld(t)
		c := w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) { c.Spec.Suspend = true })
		n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) { n.Spec.Suspend = true })
		w.becomes(n, held("Suspended", v1alpha1.ReasonSuspended))
		w.update(n, func() { n.Spec.Suspend = false })
		w.becomes(n, held("Pending", v1alpha1.ReasonSlackChannelSuspended))
		w.update(c, func() { c.Spec.Suspend = false })
		w.becomes(n, delivered())
	})
	t.Run("content is corrected", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "alerts"))
		n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) {
			n.Spec.Text = ""
			n.Spec.Blocks = []v1alpha1.Block{block(`{"type":"section","text":{"type":"mrkdwn","text":""}}`)}
		})
		w.becomes(n, stalled("Failed", v1alpha1.ReasonMessageRejected))
		w.Expect(w.message(n)).To(gomega.ContainSubstring("(spec.blocks[0].text"))
		w.update(n, func() { n.Spec.Blocks[0] = block(`{"type":"divider"}`) })
		w.becomes(n, delivered())
	})
	t.Run("recipient is corrected", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "alerts"))
		n := w.notify("n", "c", to(user("nobody"), user("ada")))
		w.becomes(n, look{Phase: "PartiallyDelivered", Ready: "False", Reason: v1alpha1.ReasonPartiallyDelivered, Stalled: true, Kstatus: "Failed"})
		w.Expect(n.Status.Summary).To(gomega.Equal("1/2"))
		ada := n.Status.Deliveries[1].ConversationID
		w.update(n, func() { n.Spec.Recipients[0].User = "yueh.liu" })
		w.becomes(n, delivered())
		w.Expect(w.messages(ada)).To(gomega.HaveLen(1), "who was reached already gets nothing twice")
	})
}

func block(json string) v1alpha1.Block {
	var out v1alpha1.Block
	out.Raw = []byte(json)
	return out
}

// What passes is tried again, and the message arrives once.
func TestRetries(t *testing.T) {
	cases := []struct {
		name    string
		fault   slacksim.Fault
		reason  string
		webhook bool
	}{
		{name: "503 before", fault: slacksim.Fault{Kind: "http", Status: 503, Times: 2}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "cut before", fault: slacksim.Fault{Kind: "close_before", Times: 2}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "cut after", fault: slacksim.Fault{Kind: "close_after"}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "500 after", fault: slacksim.Fault{Kind: "http_after", Status: 500}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "garbage after", fault: slacksim.Fault{Kind: "garbage_after"}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "ok without ts", fault: slacksim.Fault{Kind: "no_ts"}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "internal_error", fault: slacksim.Fault{Kind: "error", Code: "internal_error"}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "service_unavailable", fault: slacksim.Fault{Kind: "error", Code: "service_unavailable"}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "a code that nobody knows", fault: slacksim.Fault{Kind: "error", Code: "brand_new_error"}, reason: v1alpha1.ReasonSlackUnavailable},
		{name: "429", fault: slacksim.Fault{Kind: "ratelimit", RetryAfter: 2}, reason: v1alpha1.ReasonRateLimited},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ready(w.webAPI("c", "#alerts"))
			c.fault.Method, c.fault.Channel = "chat.postMessage", w.id("C", "ALERTS")
			w.fault(c.fault)
			n := w.notify("n", "c")
			w.passesThrough(n, retrying("Delivering", c.reason), "")
			w.becomes(n, delivered())
			w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
		})
	}
}

func TestSilenceIsNoLoss(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) {
		c.Spec.Connection = &v1alpha1.Connection{Timeout: &metav1.Duration{Duration: time.Second}}
	}))
	w.fault(slacksim.Fault{Method: "chat.postMessage", Channel: w.id("C", "ALERTS"), Kind: "hang_after"})
	n := w.notify("n", "c")
	w.becomes(n, delivered())
	w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
}

// What takes long is told, with its cause, and passes.
func TestTransientReasons(t *testing.T) {
	t.Run("the list of users can't be read", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "users.list", Team: w.team, Kind: "http", Status: http.StatusServiceUnavailable, Times: 2})
		n := w.notify("n", "c", to(user("ada")))
		w.passesThrough(n, retrying("Pending", v1alpha1.ReasonSlackUnavailable), "users.list: Slack answered http_503")
		w.becomes(n, delivered())
	})
	t.Run("the list of users takes long", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "users.list", Team: w.team, Kind: "slow", DelayMS: 6000})
		n := w.notify("n", "c", to(user("ada")))
		w.passesThrough(n, progressing("Pending", v1alpha1.ReasonDirectoryLoading), "waits for the users of workspace")
		w.becomes(n, delivered())
	})
	t.Run("the SlackChannel is being verified", func(t *testing.T) {
		w := newWorld(t)
		w.fault(slacksim.Fault{Method: "auth.test", Team: w.team, Kind: "slow", DelayMS: 4000})
		w.webAPI("c", "#alerts")
		n := w.notify("n", "c")
		w.passesThrough(n, progressing("Pending", v1alpha1.ReasonSlackChannelNotReady), "")
		w.becomes(n, delivered())
	})
	t.Run("the outcome is being verified", func(t *testing.T) {
		w := newWorld(t)
		w.ready(w.webAPI("c", "#alerts"))
		w.fault(slacksim.Fault{Method: "chat.postMessage", Channel: w.id("C", "ALERTS"), Kind: "close_after"})
		w.fault(slacksim.Fault{Method: "conversations.history", Channel: w.id("C", "ALERTS"), Kind: "http", Status: http.StatusBadGateway, Times: 2})
		n := w.notify("n", "c")
		w.passesThrough(n, retrying("Delivering", v1alpha1.ReasonVerifyingOutcome), "the conversation could not be read")
		w.becomes(n, delivered())
		w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))
	})
}

// A burst into one channel waits its turn, provokes no 429, and tells of it.
func TestWaitsForItsTurn(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts", patient))
	w.hold(w.id("C", "ALERTS")) // until all of them are there
	const burst = 9
	list := make([]*v1alpha1.SlackNotification, burst)
	for i := range list {
		list[i] = w.notify(fmt.Sprintf("n%d", i), "c")
	}
	waits := w.oneWaits(list)
	w.becomes(waits, progressing("Pending", v1alpha1.ReasonWaitingForTurn))
	// Another channel does not wait for this one.
	other := w.notify("other", "c", to(room("deploys")))
	w.becomes(other, delivered())
	w.Expect(w.see(waits).Phase).To(gomega.Equal("Pending"))
	w.mend()
	for _, n := range list {
		w.becomes(n, delivered())
		w.Expect(n.Status.Deliveries[0].Attempts).To(gomega.BeEquivalentTo(1), "a 429 would have cost an attempt")
	}
	w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(burst))
}

var waitsForTurn = regexp.MustCompile(`waits for its turn in #alerts, about \w+, \d before it`)

// oneWaits returns one that tells that it waits. Which of several is sent first is
// not certain when the operator sees them at once.
func (w *world) oneWaits(list []*v1alpha1.SlackNotification) (waits *v1alpha1.SlackNotification) {
	w.t.Helper()
	w.Eventually(func() (said []string) {
		for _, n := range list {
			text := w.message(n)
			if waitsForTurn.MatchString(text) {
				waits = n
				return nil
			}
			said = append(said, text)
		}
		return said
	}).Should(gomega.BeEmpty(), "one of them tells that it waits")
	return waits
}

func TestCriticalGoesFirst(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts", patient))
	w.hold(w.id("C", "ALERTS"))
	var list []*v1alpha1.SlackNotification
	for i := range 6 {
		list = append(list, w.notify(fmt.Sprintf("n%d", i), "c"))
	}
	w.oneWaits(list) // so another is on its way
	urgent := w.notify("urgent", "c", func(n *v1alpha1.SlackNotification) { n.Spec.Severity = v1alpha1.SeverityCritical })
	w.passesThrough(urgent, progressing("Pending", v1alpha1.ReasonWaitingForTurn), "")
	w.mend()
	w.becomes(urgent, delivered())
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(7))
	for i, m := range w.messages(w.id("C", "ALERTS")) {
		if m.TS == urgent.Status.Deliveries[0].Timestamp {
			w.Expect(i).To(gomega.BeNumerically("<=", 1), "one was on its way, five others were before it in the queue")
		}
	}
}

func TestDeadline(t *testing.T) {
	w := newWorld(t)
	seconds := int64(2)
	n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) { n.Spec.ActiveDeadlineSeconds = &seconds })
	w.becomes(n, stalled("Failed", v1alpha1.ReasonDeadlineExceeded))
	w.Expect(w.message(n)).To(gomega.ContainSubstring("does not exist"), "the last trouble is not forgotten")
	w.Expect(n.Status.FinishedAt).NotTo(gomega.BeNil())
	w.webAPI("c", "alerts")
	m := w.notify("m", "c")
	w.becomes(m, delivered())
	w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(1), "what was given up stays given up")
}

// A scheduled message goes out at its time, and not before.
func TestNotBefore(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	far := metav1.NewTime(time.Now().Add(100 * 24 * time.Hour))
	n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) { n.Spec.NotBefore = &far })
	later := w.notify("later", "c", func(n *v1alpha1.SlackNotification) { n.Spec.NotBefore = &far })
	w.passesThrough(n, progressing("Pending", v1alpha1.ReasonScheduled), far.UTC().Format(time.RFC3339))
	at := metav1.NewTime(time.Now().Add(4 * time.Second).Truncate(time.Second))
	w.update(n, func() { n.Spec.NotBefore = &at })
	w.becomes(n, delivered())
	got := w.messages(w.id("C", "ALERTS"))
	w.Expect(got).To(gomega.HaveLen(1))
	w.Expect(got[0].ReceivedAt).To(gomega.BeTemporally(">=", at.Time))
	// Called off, or rather brought forward.
	w.becomes(later, progressing("Pending", v1alpha1.ReasonScheduled))
	w.update(later, func() { later.Spec.NotBefore = nil })
	w.becomes(later, delivered())
}

func TestTTLAfterFinished(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	ttl := int32(1)
	n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) { n.Spec.TTLSecondsAfterFinished = &ttl })
	stays := w.notify("stays", "c")
	w.Eventually(func() bool {
		return apierrors.IsNotFound(env.client.Get(w.ctx, client.ObjectKeyFromObject(n), n))
	}).Should(gomega.BeTrue())
	w.becomes(stays, delivered())
	w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(2))
}

func TestAllowedNamespaces(t *testing.T) {
	w := newWorld(t)
	guest := w.ns + "-guest"
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: guest}}
	w.create(ns)
	c := w.webAPI("c", "alerts")
	n := w.notify("n", "c", func(n *v1alpha1.SlackNotification) {
		n.Namespace, n.Spec.ChannelRef.Namespace = guest, w.ns
	})
	w.becomes(n, stalled("Pending", v1alpha1.ReasonNamespaceNotAllowed))
	w.update(c, func() {
		c.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"slack": "yes"}}}
	})
	w.Consistently(func() string { return w.see(n).Reason }, "1s").Should(gomega.Equal(v1alpha1.ReasonNamespaceNotAllowed))
	w.update(ns, func() { ns.Labels = map[string]string{"slack": "yes"} })
	w.becomes(n, delivered())

	w.update(c, func() { c.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll} })
	w.update(ns, func() { ns.Labels = nil })
	m := w.notify("m", "c", func(n *v1alpha1.SlackNotification) {
		n.Namespace, n.Spec.ChannelRef.Namespace = guest, w.ns
	})
	w.becomes(m, delivered())
}

// An unchanged manifest, applied again, does nothing.
func TestApplyAgainDoesNothing(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	n := w.notify("n", "c")
	w.becomes(n, delivered())
	version := n.ResourceVersion
	w.update(n, func() { n.Labels = map[string]string{"touched": "yes"} })
	w.notify("next", "c") // comes after whatever the touch might cause
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(2))
	w.Expect(w.see(n)).To(gomega.Equal(delivered()))
	w.Expect(n.ResourceVersion).NotTo(gomega.Equal(version))
	w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(2))
}

// warnings are the reasons of the Events about an object.
func (w *world) warnings(kind, name string) []string {
	w.t.Helper()
	list := &corev1.EventList{}
	w.Expect(env.client.List(w.ctx, list, client.InNamespace(w.ns))).To(gomega.Succeed())
	var out []string
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name && e.Type == corev1.EventTypeWarning {
			out = append(out, e.Reason)
		}
	}
	return out
}
