package delivery

import (
	"hash/maphash"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// The model is all that can happen to one delivery: a Slack that takes messages
// and loses answers, a status that is stored late or not at all, a process that
// ends between any two steps, and people who change the spec, the app and the
// status meanwhile. Time passes at once. The check (model_check_test.go) walks
// through every state that can be reached.

// world is one state of the model.
type world struct {
	facts
	d Delivery
	// stored is the status in the API server; nil before the first write.
	stored *v1alpha1.Delivery
	path   *trail
}

// facts are what of a world can be compared.
type facts struct {
	setting
	// storedOf is the generation that the stored status is about.
	storedOf, generation int
	// content of the spec, and answers that were given.
	content, answers  int
	update            v1alpha1.UpdatePolicy
	onUnknown         v1alpha1.UnknownOutcomePolicy
	conversation, via string
	// readable: the app has the scope to read the conversation.
	readable bool
	late     bool
	remove   bool
	messages [9]message
	count    int

	// left are how many more of each may happen.
	left budget
	// allowed is how many messages there may be at most.
	allowed int
	// risked: somebody chose Retry where nothing can be read, or what the model
	// calls a gap has come about.
	risked bool
	// accepted: with Retry, a message that nobody knows of was put up with where
	// nothing could be read.
	accepted bool
	// doubtful: an answer was lost, or a process ended.
	doubtful bool
	// forged: somebody has written into the status.
	forged bool
}

// setting does not change.
type setting struct {
	// webhook: the SlackChannel is an incoming webhook.
	webhook bool
	// own: the recipient is the SlackChannel's own channel, where a post need not be
	// announced once a message has been read back.
	own bool
	// keyed: the spec has an idempotency key.
	keyed bool
}

// message in the modelled Slack.
type message struct {
	hash         int
	conversation string
	// gone from Slack; closed: Slack lets nobody edit it any more.
	gone, closed bool
	// missed: the operator has been told that it is gone.
	missed bool
	// told: the operator has had the receipt; recorded: a status says so.
	told, recorded bool
	owner          owner
}

type owner int

const (
	// mine is a message of this object.
	mine owner = iota
	// alike is another object's, with the same idempotency key.
	alike
	// alien is another object's.
	alien
)

type budget struct {
	contents, answers, policies, channels, crashes, lost, refusals, gone, deadlines, removals, requests, holds, scopes, forgeries, remakes int
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

var (
	noon      = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	noonStamp = metav1.NewTime(noon)
)

const viaUID = types.UID("uid of the one")

// hashOf names a content with what stands below it, as show does.
func hashOf(shown int) string {
	if answers := shown / 100; answers > 0 {
		return strconv.Itoa(shown%100) + "-" + strconv.Itoa(answers)
	}
	return strconv.Itoa(shown)
}

// show is the content with the answers to it.
func (w *world) show() int { return w.content + 100*w.answers }

func ts(i int) string { return "1.00000" + strconv.Itoa(i+1) }

func (w *world) want() Want {
	out := Want{
		Hash: hashOf(w.show()), Update: w.update, OnUnknown: w.onUnknown, Via: w.via, ViaUID: viaUID,
		Remove: w.remove, Created: noon, Settled: noon, Keyed: w.keyed,
	}
	if w.late {
		out.Deadline, out.DeadlineSeconds = noon.Add(-time.Second), 60
	}
	return out
}

func (w *world) can() Can {
	c := Can{Read: !w.webhook, Edit: !w.webhook, Proven: w.own && w.readable, Credential: "without the scope"}
	if w.readable {
		c.Credential = "with the scope"
	}
	return c
}

// state is what a world is told apart by from another one.
type state struct {
	facts
	d      Delivery
	posted Posted
	doubt  Doubt
	halt   Halt
	stored v1alpha1.Delivery
	have   [4]bool
}

var seed = maphash.MakeSeed()

// key names the state; what does not matter for what happens next is left out.
func (w *world) key() uint64 {
	w.calm()
	s := state{facts: w.facts, d: w.d}
	if p := w.d.Posted; p != nil {
		s.posted, s.d.Posted, s.have[0] = *p, nil, true
	}
	if p := w.d.Doubt; p != nil {
		s.doubt, s.d.Doubt, s.have[1] = *p, nil, true
	}
	if p := w.d.Halt; p != nil {
		s.halt, s.d.Halt, s.have[2] = *p, nil, true
	}
	if w.stored != nil {
		s.stored, s.have[3] = *w.stored, true
	}
	return maphash.Comparable(seed, s)
}

// calm lets time pass, and drops what only people read.
func (w *world) calm() {
	d := &w.d
	d.Retry.At, d.Retry.Since, d.Retry.Failures, d.LastAttemptAt = time.Time{}, time.Time{}, 0, time.Time{}
	d.Attempts = min(d.Attempts, 1)
	d.Note.Message, d.Note.Quiet = "", false
	if d.Halt != nil {
		d.Halt.Message = ""
	}
	if d.Posted != nil {
		d.Posted.At, d.Posted.EditedAt = noon, time.Time{}
	}
	if d.Doubt != nil {
		d.Doubt.Since, d.Doubt.Settles = noon, noon
	}
	if d.Leftover != "" {
		d.Leftover = "left"
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
	if step != "" {
		out.path = &trail{w.path, step}
	}
	return &out
}

// shown is the status as the API server keeps it, without what only people read.
func (w *world) shown() v1alpha1.Delivery {
	s := w.d.Status()
	s.LastAttemptAt, s.EditedAt, s.Message = nil, nil, ""
	s.Attempts = min(s.Attempts, 1)
	if s.DeliveredAt != nil {
		s.DeliveredAt = &noonStamp
	}
	return s
}

// write stores the status.
func (w *world) write() {
	s := w.shown()
	w.stored, w.storedOf = &s, w.generation
	for i := range w.count {
		w.messages[i].recorded = w.messages[i].told
	}
}

// post puts a message into Slack.
func (w *world) post() string {
	return w.put(message{hash: w.show(), conversation: w.conversation})
}

func (w *world) put(m message) string {
	w.messages[w.count] = m
	w.count++
	return ts(w.count - 1)
}

// at returns the message with a timestamp; nil when it is not there.
func (w *world) at(timestamp string) *message {
	for i := range w.count {
		if ts(i) == timestamp && !w.messages[i].gone {
			return &w.messages[i]
		}
	}
	return nil
}

// counts reports whether a message of Slack's is one of this delivery: its own
// one, or one that an idempotency key makes count as such.
func (w *world) counts(m message) bool {
	return !m.gone && (m.owner == mine || m.owner == alike && w.keyed)
}

// newest returns the newest message of this delivery that is there; nil for none.
func (w *world) newest() *message {
	for i := w.count - 1; i >= 0; i-- {
		if w.counts(w.messages[i]) {
			return &w.messages[i]
		}
	}
	return nil
}

// unknown counts the messages that are in Slack and that the delivery does not
// know of.
func (w *world) unknown() int {
	n := 0
	for i := range w.count {
		m := w.messages[i]
		switch {
		case !w.counts(m), m.owner == alike && !w.readable:
		case w.webhook && !m.told, !w.webhook && ts(i) > w.d.After:
			n++
		}
	}
	return n
}

// crash ends the process and starts another one.
func (w *world) crash() {
	w.doubtful = true
	for i := range w.count {
		w.messages[i].told = w.messages[i].recorded
	}
	w.begin(Ownership{
		Observed: w.storedOf == w.generation || w.generation == 1, Skipped: w.storedOf > 0 && w.generation-w.storedOf > 1, Intends: !w.own,
	})
}

// begin reads the delivery back as the controller does.
func (w *world) begin(o Ownership) {
	w.d = Restore("default", w.stored, w.want(), o, noon)
	if w.d.Phase == Verifying && w.d.Doubt.Cause == Takeover && w.d.Doubt.Conversation == "" && !w.webhook {
		w.d.Doubt.Conversation = w.conversation // as the controller does at first sight
	}
	w.d.Want(w.want(), noon)
	w.gap()
}

// gap notes the one case that can't be told: a process ends between a post and
// the write of the status, and the SlackChannel has another channel by the time
// that another process looks.
func (w *world) gap() {
	for i := range w.count {
		m := w.messages[i]
		if w.counts(m) && ts(i) > w.d.After && m.conversation != w.conversation && (w.d.Doubt == nil || w.d.Doubt.Conversation != m.conversation) {
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

// read looks for the message as the controller does.
func (w *world) read() Event {
	in := w.d.Doubt.Conversation
	if in == "" {
		in = w.conversation
	}
	byKey := w.d.Doubt.ByKey && !w.remove
	for i := w.count - 1; i >= 0; i-- {
		m := w.messages[i]
		if m.gone || m.conversation != in || ts(i) <= w.d.After || m.owner == alien || m.owner == alike && !byKey {
			continue
		}
		return Found{Conversation: in, Timestamp: ts(i), Hash: hashOf(m.hash), Via: w.via, ViaUID: viaUID, Adopted: m.owner == alike}
	}
	return Absent{Here: w.conversation}
}

// look looks at the message that is out, as the controller does.
func (w *world) look() Event {
	m := w.at(w.d.Posted.Timestamp)
	switch {
	case m == nil:
		w.miss()
		return Gone{}
	case m.conversation != w.d.Posted.Conversation:
		return Gone{}
	case w.counts(*m):
		return Confirmed{Hash: hashOf(m.hash)}
	default:
		return NotOurs{}
	}
}

// miss notes that Slack has said that the message is gone.
func (w *world) miss() {
	for i := range w.count {
		if ts(i) == w.d.Posted.Timestamp {
			w.messages[i].missed = true
		}
	}
}
