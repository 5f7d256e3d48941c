package delivery

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// The model is all that can happen to one delivery: a Slack that takes messages
// and loses answers, a status that is stored late or not at all, a process that
// ends between any two steps, and a person who changes the spec meanwhile. Time
// passes at once. The check walks through every state that can be reached.

// message in the modelled Slack.
type message struct {
	hash, conversation string
	gone               bool
}

// world is one state of the model.
type world struct {
	d Delivery
	// stored is the status in the API server; storedOf the generation it is about.
	stored   *v1alpha1.Delivery
	storedOf int

	generation   int
	content      int
	update       v1alpha1.UpdatePolicy
	onUnknown    v1alpha1.UnknownOutcomePolicy
	conversation string
	via          string
	readable     bool
	late, remove bool
	messages     []message

	// left are how many more of each may happen.
	left budget
	// allowed is how many messages there may be at most.
	allowed int
	// risked: somebody chose Retry where nothing can be read.
	risked bool
	path   *trail
}

// trail is how a state was reached.
type trail struct {
	before *trail
	step   string
}

func (p *trail) String() string {
	if p == nil {
		return ""
	}
	return p.before.String() + "\n\t" + p.step
}

type budget struct{ contents, policies, channels, crashes, lost, refusals, gone, deadlines, removals int }

func (w *world) want() Want {
	out := Want{
		Hash: fmt.Sprint(w.content), Update: w.update, OnUnknown: w.onUnknown, Via: w.via, ViaUID: "uid of " + "the one",
		Remove: w.remove, Created: noon, Settled: noon,
	}
	if w.late {
		out.Deadline, out.DeadlineSeconds = noon.Add(-time.Second), 60
	}
	return out
}

func (w *world) can() Can { return Can{Read: true, Edit: true, Credential: "c"} }

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// key names the state; what does not matter for what happens next is left out.
func (w *world) key() string {
	w.calm()
	show := func(d *Delivery) string {
		c := *d
		var posted, doubt, halt string
		if c.Posted != nil {
			posted = fmt.Sprintf("%+v", *c.Posted)
		}
		if c.Doubt != nil {
			doubt = fmt.Sprintf("%+v", *c.Doubt)
		}
		if c.Halt != nil {
			halt = fmt.Sprint(c.Halt.Reason, c.Halt.Final)
		}
		c.Posted, c.Doubt, c.Halt = nil, nil, nil
		return fmt.Sprintf("%+v%s%s%s", c, posted, doubt, halt)
	}
	stored := ""
	if w.stored != nil {
		s := *w.stored
		stored = fmt.Sprint(s.State, s.Reason, s.Timestamp, s.ContentHash, s.ConversationID, s.Attempts, s.DeliveredAt != nil, s.Via, s.Unverified)
	}
	return fmt.Sprint(show(&w.d), stored, w.storedOf, w.generation, w.content, w.update, w.onUnknown, w.conversation, w.via, w.readable,
		w.late, w.remove, w.messages, w.left, w.allowed, w.risked)
}

// calm lets time pass, and drops what only people read.
func (w *world) calm() {
	d := &w.d
	d.Retry.At, d.Retry.Since, d.Retry.Failures, d.LastAttemptAt = time.Time{}, time.Time{}, 0, time.Time{}
	d.Attempts = min(d.Attempts, 1)
	d.Note.Message = ""
	if d.Halt != nil {
		d.Halt.Message = ""
	}
	if d.Posted != nil {
		d.Posted.At, d.Posted.EditedAt = noon, time.Time{}
	}
	if d.Doubt != nil {
		d.Doubt.Since, d.Doubt.Settles = noon, noon
	}
}

func (w *world) clone(step string) *world {
	out := *w
	if w.d.Posted != nil {
		p := *w.d.Posted
		out.d.Posted = &p
	}
	if w.d.Doubt != nil {
		p := *w.d.Doubt
		out.d.Doubt = &p
	}
	if w.d.Halt != nil {
		p := *w.d.Halt
		out.d.Halt = &p
	}
	out.messages = append([]message(nil), w.messages...)
	out.path = &trail{w.path, step}
	return &out
}

func ts(i int) string { return fmt.Sprintf("1.%06d", i+1) }

// post puts a message into Slack.
func (w *world) post() string {
	w.messages = append(w.messages, message{hash: fmt.Sprint(w.content), conversation: w.conversation})
	return ts(len(w.messages) - 1)
}

// at returns the message with a timestamp.
func (w *world) at(timestamp string) *message {
	for i := range w.messages {
		if ts(i) == timestamp && !w.messages[i].gone {
			return &w.messages[i]
		}
	}
	return nil
}

// write stores the status.
func (w *world) write() {
	s := w.d.Status()
	w.stored, w.storedOf = &s, w.generation
}

// crash ends the process and starts another one.
func (w *world) crash() {
	w.d = Restore("default", w.stored, w.want(), Ownership{
		Observed: w.storedOf == w.generation || w.generation == 1, Skipped: w.generation-w.storedOf > 1, Intends: true,
	}, noon)
	if w.d.Phase == Verifying && w.d.Doubt.Cause == Takeover && w.d.Doubt.Conversation == "" {
		w.d.Doubt.Conversation = w.conversation // as the controller does at first sight
	}
	w.d.Want(w.want(), noon)
	w.gap()
}

// gap notes the one case that can't be told: a process ends between a post and
// the write of the status, and the SlackChannel has another channel by the time
// that another process looks.
func (w *world) gap() {
	for i, m := range w.messages {
		if ts(i) > w.d.After && m.conversation != w.conversation && (w.d.Doubt == nil || w.d.Doubt.Conversation != m.conversation) {
			w.risked = true
		}
	}
}

// changed makes a person's change known to the process.
func (w *world) changed() {
	w.generation++
	want := w.want()
	want.Changed = true
	w.d.Want(want, noon)
}

func refuse(do Do, class slack.Class) Refused {
	return Refused{Do: do, Err: &slack.Error{Class: class, Method: "m", Code: "code"}}
}

// people returns what people may do.
func (w *world) people() []*world {
	var out []*world
	add := func(left *int, step string, change func(*world)) {
		if *left > 0 && !w.remove {
			*left--
			n := w.clone(step)
			*left++
			change(n)
			out = append(out, n)
		}
	}
	l := &w.left
	add(&l.contents, "a person changes the content", func(n *world) {
		n.content++
		if n.update == v1alpha1.UpdateRepost {
			n.allowed++
		}
		n.changed()
	})
	if w.content > 0 {
		add(&l.contents, "a person changes the content back", func(n *world) {
			n.content--
			if n.update == v1alpha1.UpdateRepost {
				n.allowed++
			}
			n.changed()
		})
	}
	for _, policy := range []v1alpha1.UpdatePolicy{v1alpha1.UpdateEdit, v1alpha1.UpdateRepost, v1alpha1.UpdateIgnore} {
		if policy != w.update {
			add(&l.policies, "a person sets updatePolicy "+string(policy), func(n *world) {
				n.update = policy
				if policy == v1alpha1.UpdateRepost {
					n.allowed++
				}
				n.changed()
			})
		}
	}
	other := map[v1alpha1.UnknownOutcomePolicy]v1alpha1.UnknownOutcomePolicy{"Retry": "GiveUp", "GiveUp": "Retry"}[w.onUnknown]
	add(&l.policies, "a person sets onUnknownOutcome "+string(other), func(n *world) { n.onUnknown = other; n.changed() })
	add(&l.channels, "the SlackChannel gets another channel", func(n *world) { n.conversation += "'"; n.gap() })
	add(&l.channels, "a person names another SlackChannel", func(n *world) { n.via += "'"; n.allowed++; n.changed() })
	add(&l.deadlines, "the deadline passes", func(n *world) { n.late = true })
	add(&l.removals, "a person deletes the object", func(n *world) { n.remove = true })
	if len(w.messages) > 0 && !w.messages[len(w.messages)-1].gone && w.d.Posted != nil && w.d.Posted.Timestamp == ts(len(w.messages)-1) {
		add(&l.gone, "a person deletes the message from Slack", func(n *world) { n.messages[len(n.messages)-1].gone = true; n.allowed++ })
	}
	return out
}

// system returns what the operator, its process and Slack may do.
func (w *world) system(t *testing.T) []*world {
	var out []*world
	if w.left.crashes > 0 {
		n := w.clone("the process ends")
		n.left.crashes--
		n.crash()
		out = append(out, n)
	}
	if s := w.d.Status(); w.stored == nil || w.storedOf != w.generation || fmt.Sprint(s) != fmt.Sprint(*w.stored) {
		n := w.clone("the status is written")
		n.write()
		out = append(out, n)
	}
	n := w.clone("")
	step := n.d.Next(n.want(), n.can(), noon)
	return append(out, n.outcomes(t, step)...)
}

// outcomes of a step.
func (w *world) outcomes(t *testing.T, step Step) []*world {
	var out []*world
	on := func(what string, act func(n *world) Event) {
		n := w.clone(what)
		if e := act(n); e != nil {
			n.d.Apply(e, n.want(), n.can(), noon)
		}
		out = append(out, n)
	}
	fails := func(do Do, classes ...slack.Class) {
		for _, class := range classes {
			if w.left.refusals > 0 {
				on(fmt.Sprintf("step %d is refused, class %d", do, class), func(n *world) Event { n.left.refusals--; return refuse(do, class) })
			}
		}
	}
	switch step.Do {
	case Nothing, Wait:
	case Post:
		if step.Announce {
			w.d.Apply(Announced{}, w.want(), w.can(), noon)
			w.write()
		}
		w.d.Apply(Attempting{}, w.want(), w.can(), noon)
		w.mayPost(t)
		on("posted", func(n *world) Event { return PostOK{Conversation: n.conversation, Timestamp: n.post()} })
		if w.left.lost > 0 {
			on("posted, and the answer is lost", func(n *world) Event {
				n.left.lost--
				n.post()
				e := refuse(Post, slack.ClassAmbiguous)
				e.Conversation = n.conversation
				return e
			})
			on("not posted, and nobody knows", func(n *world) Event {
				n.left.lost--
				e := refuse(Post, slack.ClassAmbiguous)
				e.Conversation = n.conversation
				return e
			})
		}
		if w.left.crashes > 0 {
			on("posted, and the process ends", func(n *world) Event { n.left.crashes--; n.post(); n.crash(); return nil })
		}
		fails(Post, slack.ClassUnavailable, slack.ClassInvalidCredentials, slack.ClassMessageRejected)
	case Read:
		fails(Read, slack.ClassUnavailable, slack.ClassInvalidCredentials, slack.ClassChannelNotFound)
		if !w.readable {
			on("reading is refused for good", func(*world) Event { return refuse(Read, slack.ClassMissingScope) })
			break
		}
		on("the conversation is read", func(n *world) Event { return n.read() })
	case Check:
		if !w.readable {
			on("checking is refused for good", func(*world) Event { return refuse(Check, slack.ClassMissingScope) })
			break
		}
		on("the message is looked at", func(n *world) Event {
			if m := n.at(n.d.Posted.Timestamp); m != nil {
				return Confirmed{Hash: m.hash}
			}
			return Gone{}
		})
	case Edit:
		w.d.Apply(Attempting{}, w.want(), w.can(), noon)
		m := w.at(w.d.Posted.Timestamp)
		if m == nil {
			on("edit: it is gone", func(*world) Event { return refuse(Edit, slack.ClassMessageNotFound) })
			break
		}
		set := func(n *world) { n.at(n.d.Posted.Timestamp).hash = fmt.Sprint(n.content) }
		on("edited", func(n *world) Event { set(n); return EditOK{} })
		if w.left.lost > 0 {
			on("edited, and the answer is lost", func(n *world) Event { n.left.lost--; set(n); return refuse(Edit, slack.ClassAmbiguous) })
			on("not edited, and nobody knows", func(n *world) Event { n.left.lost--; return refuse(Edit, slack.ClassAmbiguous) })
		}
		if w.left.crashes > 0 {
			on("edited, and the process ends", func(n *world) Event { n.left.crashes--; set(n); n.crash(); return nil })
		}
		if w.left.gone > 0 {
			on("edit: closed", func(n *world) Event { n.left.gone--; n.allowed++; return refuse(Edit, slack.ClassMessageClosed) })
		}
		fails(Edit, slack.ClassUnavailable, slack.ClassMessageRejected)
	case Delete:
		on("deleted", func(n *world) Event {
			if m := n.at(n.d.Posted.Timestamp); m != nil {
				m.gone = true
				return DeleteOK{}
			}
			return refuse(Delete, slack.ClassMessageNotFound)
		})
		fails(Delete, slack.ClassUnavailable)
	default:
		t.Fatalf("step %d is not in the model%s", step.Do, w.path)
	}
	return out
}

// read looks for the message as the controller does.
func (w *world) read() Event {
	in := w.d.Doubt.Conversation
	if in == "" {
		in = w.conversation
	}
	for i := len(w.messages) - 1; i >= 0; i-- {
		if m := w.messages[i]; !m.gone && m.conversation == in && ts(i) > w.d.After {
			return Found{Conversation: in, Timestamp: ts(i), Hash: m.hash, Via: w.via, ViaUID: "uid of " + "the one"}
		}
	}
	return Absent{Here: w.conversation}
}

// mayPost holds that nothing is posted while something that the delivery does
// not know of is in Slack.
func (w *world) mayPost(t *testing.T) {
	unknown := 0
	for i, m := range w.messages {
		if !m.gone && ts(i) > w.d.After {
			unknown++
		}
	}
	if unknown == 0 {
		return
	}
	if !w.readable && w.onUnknown == v1alpha1.UnknownOutcomeRetry {
		w.risked = true
	}
	if !w.risked {
		t.Fatalf("it posts (%s) while %d messages are in Slack that it does not know of:%s", w.onUnknown, unknown, w.path)
	}
}

// check holds what must be so in every state.
func (w *world) check(t *testing.T) {
	count := 0
	for _, m := range w.messages {
		if !m.gone {
			count++
		}
	}
	if count > w.allowed && !w.risked {
		t.Fatalf("%d messages are in Slack, want at most %d:%s", count, w.allowed, w.path)
	}
	if w.d.Phase == Delivered && w.d.Stale == "" {
		for i, m := range w.messages {
			if ts(i) == w.d.Posted.Timestamp && (m.gone || m.hash == w.d.Posted.Hash) {
				return
			}
		}
		t.Fatalf("it says Delivered, and Slack does not have that content:%s\n%+v\n%+v", w.path, w.messages, w.d.Posted)
	}
	if w.d.Phase == Removed && w.d.Leftover == "" && count > 0 && w.update == v1alpha1.UpdateEdit && w.allowed == 1 && !w.risked {
		t.Fatalf("it says that the message is removed without a word of a leftover, and %d are in Slack:%s", count, w.path)
	}
}

// ends holds that without faults everything comes to an end.
func (w *world) ends(t *testing.T, ended map[string]bool) {
	n := w.clone("without faults from here")
	n.left = budget{}
	k := n.key()
	if ended[k] {
		return
	}
	ended[k] = true
	for range 40 {
		n.calm()
		step := n.d.Next(n.want(), n.can(), noon)
		if step.Do == Nothing {
			return
		}
		next := n.outcomes(t, step)
		if len(next) > 0 {
			n = next[0]
		}
	}
	t.Fatalf("it does not come to an end:%s", n.path)
}

func explore(t *testing.T, start *world) int {
	t.Helper()
	seen := map[string]struct{}{start.key(): {}}
	queue := []*world{start}
	ended := map[string]bool{}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		w.check(t)
		w.ends(t, ended)
		for _, n := range append(w.people(), w.system(t)...) {
			k := n.key()
			if _, ok := seen[k]; !ok {
				seen[k] = struct{}{}
				queue = append(queue, n)
			}
		}
	}
	return len(seen)
}

// Whatever happens, and in whatever order, the promises hold.
func TestModel(t *testing.T) {
	total := 0
	budgets := map[string]budget{
		"contents and crashes":    {contents: 2, crashes: 1, lost: 2},
		"two crashes":             {contents: 1, policies: 1, crashes: 2, lost: 1},
		"policies":                {contents: 1, policies: 2, crashes: 1, lost: 1},
		"channels":                {contents: 1, channels: 2, crashes: 1, lost: 1},
		"messages gone or closed": {contents: 1, policies: 1, crashes: 1, lost: 1, gone: 1},
		"refusals":                {contents: 1, crashes: 1, lost: 1, refusals: 2},
		"deadline":                {contents: 1, policies: 1, lost: 1, deadlines: 1, refusals: 1},
		"deletion":                {contents: 1, channels: 1, crashes: 1, lost: 1, removals: 1},
	}
	if os.Getenv("CHAOS") == "long" {
		budgets["policies"] = budget{contents: 2, policies: 2, crashes: 1, lost: 1}
		budgets["messages gone or closed"] = budget{contents: 2, policies: 1, crashes: 1, lost: 1, gone: 1}
		budgets["refusals"] = budget{contents: 1, policies: 1, crashes: 1, lost: 1, refusals: 2}
		budgets["deadline"] = budget{contents: 1, policies: 1, crashes: 1, lost: 1, deadlines: 1, refusals: 1}
		budgets["deletion"] = budget{contents: 1, policies: 1, channels: 1, crashes: 1, lost: 1, removals: 1, gone: 1}
	}
	for name, left := range budgets {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			for _, readable := range []bool{true, false} {
				for _, onUnknown := range []v1alpha1.UnknownOutcomePolicy{v1alpha1.UnknownOutcomeRetry, v1alpha1.UnknownOutcomeGiveUp} {
					w := &world{
						generation: 1, update: v1alpha1.UpdateEdit, onUnknown: onUnknown, conversation: "C1", via: "ns/c", readable: readable, left: left, allowed: 1,
					}
					w.d = Restore("default", nil, w.want(), Ownership{Made: true, Observed: true, Intends: true}, noon)
					n := explore(t, w)
					total += n
					t.Logf("readable=%v %s: %d states", readable, onUnknown, n)
				}
			}
		})
	}
	t.Logf("%d states in all", total)
}
