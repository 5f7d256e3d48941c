package channel

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// tokens are what Slack has said of bot tokens. SlackChannels of one trust domain
// that have a token and the way to Slack in common share it: one of them asks
// auth.test, and the others take the answer as theirs. The zero value is ready to
// use.
type tokens struct {
	mu    sync.Mutex
	known map[string]*token
	// uses has for each SlackChannel what it uses.
	uses map[types.NamespacedName]use
}

// use of a token: which, and the versions of the Secrets that it was read from.
type use struct{ token, secrets string }

// token is named by connection.Connection.Token.
type token struct {
	users map[types.NamespacedName]struct{}
	// touched has when versions of Secrets were first seen, and by how many they
	// are used.
	touched map[string]touch
	// last is Slack's last answer, good or bad; at is zero when there is none.
	last answer
	// failing are failures that pass, by the way that requests leave the cluster.
	failing map[string]failure
	// asker has it in hand to ask, until then; the others wait.
	asker   types.NamespacedName
	until   time.Time
	waiting map[types.NamespacedName]struct{}
	// app is what Slack said of the app of bot: its ID, or nothing.
	app, bot string
}

type touch struct {
	at   time.Time
	uses int
}

// answer of auth.test: an identity or, when it is not nil, a refusal that stands
// until somebody mends it. It was asked for at a time.
type answer struct {
	identity slack.Identity
	refusal  *slack.Error
	at       time.Time
}

func (a answer) same(b answer) bool {
	if a.refusal != nil || b.refusal != nil {
		return a.refusal != nil && b.refusal != nil && a.refusal.Class == b.refusal.Class && a.refusal.Code == b.refusal.Code
	}
	x, y := a.identity, b.identity
	return x.TeamID == y.TeamID && x.TeamName == y.TeamName && x.URL == y.URL && x.BotUserID == y.BotUserID && x.BotID == y.BotID &&
		x.BotName == y.BotName && slices.Equal(x.Scopes, y.Scopes)
}

// failure to get an answer, count in a row. Nobody but who met it asks again
// before until.
type failure struct {
	err       *slack.Error
	by        types.NamespacedName
	count     int
	at, until time.Time
}

// need says which answers count.
type need struct {
	// since: none that was asked for before.
	since time.Time
	// doubted: no good one that was asked for before, since Slack has refused the
	// token at that time.
	doubted time.Time
}

// told is what there is for one who wants to know of a token: an answer, a
// failure, or how long to wait; ask when he is to call Slack himself.
type told struct {
	answer  *answer
	failure *failure
	wait    time.Duration
	ask     bool
}

// join notes which token a SlackChannel uses. It returns the one that nobody uses
// any more by that; empty when there is none.
func (t *tokens) join(name types.NamespacedName, conn *connection.Connection, now time.Time) (unused string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, is := t.uses[name], use{token: conn.Token, secrets: conn.Secrets}
	if was == is {
		return ""
	}
	if t.uses == nil {
		t.known, t.uses = map[string]*token{}, map[types.NamespacedName]use{}
	}
	if is.token != "" {
		k := t.known[is.token]
		if k == nil {
			k = &token{users: map[types.NamespacedName]struct{}{}, touched: map[string]touch{}, failing: map[string]failure{}, waiting: map[types.NamespacedName]struct{}{}}
			t.known[is.token] = k
		}
		at, seen := k.touched[is.secrets]
		if !seen {
			at.at = now
		}
		at.uses++
		k.touched[is.secrets] = at
		k.users[name] = struct{}{}
	}
	unused = t.drop(name, was, is.token)
	if is.token == "" {
		delete(t.uses, name)
	} else {
		t.uses[name] = is
	}
	return unused
}

// leave ends a SlackChannel's use of a token. It returns the token when nobody
// uses it any more, and else those that waited for the SlackChannel to ask.
func (t *tokens) leave(name types.NamespacedName) (unused string, woken []types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.uses[name]
	if k := t.known[was.token]; k != nil && k.asker == name {
		woken = k.release()
	}
	delete(t.uses, name)
	return t.drop(name, was, ""), woken
}

// drop takes a use back. The caller holds the lock.
func (t *tokens) drop(name types.NamespacedName, was use, next string) (unused string) {
	k := t.known[was.token]
	if k == nil {
		return ""
	}
	at := k.touched[was.secrets]
	if at.uses--; at.uses <= 0 {
		delete(k.touched, was.secrets)
	} else {
		k.touched[was.secrets] = at
	}
	if was.token == next {
		return ""
	}
	delete(k.users, name)
	delete(k.waiting, name)
	if len(k.users) > 0 {
		return ""
	}
	delete(t.known, was.token)
	return was.token
}

// release ends that somebody has it in hand to ask. The caller holds the lock.
func (k *token) release() (woken []types.NamespacedName) {
	for name := range k.waiting {
		if name != k.asker {
			woken = append(woken, name)
		}
	}
	k.asker, k.until = types.NamespacedName{}, time.Time{}
	clear(k.waiting)
	return woken
}

// askPatience is how long somebody who has it in hand to ask may take beyond the
// time that he was told to come at, before another does it.
const askPatience = 3 * time.Second

// look says what there is for a SlackChannel that has joined.
func (t *tokens) look(name types.NamespacedName, conn *connection.Connection, now time.Time, n need) told {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.known[conn.Token]
	if k == nil {
		return told{ask: true}
	}
	if a := k.last; !a.at.IsZero() && !a.at.Before(n.since) {
		mended := a.at.Before(k.touched[conn.Secrets].at)
		if a.refusal == nil && !a.at.Before(n.doubted) || a.refusal != nil && !mended {
			return told{answer: &a}
		}
	}
	if f, ok := k.failing[conn.Client]; ok && f.by != name && now.Before(f.until) && !f.at.Before(n.since) {
		return told{failure: &f, wait: f.until.Sub(now)}
	}
	if k.asker != name && now.Before(k.until) {
		k.waiting[name] = struct{}{}
		return told{wait: k.until.Sub(now)}
	}
	// A call takes as long as its time-out at the most.
	k.asker, k.until = name, now.Add(longestPause+askPatience)
	return told{ask: true}
}

// later notes that who is to ask has been told to come again at a time.
func (t *tokens) later(name types.NamespacedName, conn *connection.Connection, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.known[conn.Token]; k != nil && k.asker == name {
		k.until = at.Add(askPatience)
	}
}

// answered notes what has come of asking, which began at a time: an identity or
// an error. It returns whom to wake: who waited and, when it is news, all who use
// the token.
func (t *tokens) answered(name types.NamespacedName, conn *connection.Connection, at, now time.Time, identity slack.Identity, e *slack.Error) (woken []types.NamespacedName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.known[conn.Token]
	if k == nil {
		return nil
	}
	news := false
	switch {
	case e != nil && e.Class == slack.ClassRateLimited:
	case e != nil && e.Class.Transient():
		f := k.failing[conn.Client]
		f.err, f.by, f.at, f.count = e, name, at, f.count+1
		f.until = now.Add(max(e.RetryAfter, 2*pauseAfter(f.count))) // who met it comes back before that
		k.failing[conn.Client] = f
		news = f.count == tolerated
	case at.Before(k.last.at): // another was faster
	default:
		a := answer{identity: identity, refusal: e, at: at}
		news = !k.last.at.IsZero() && !k.last.same(a) || len(k.failing) > 0
		k.last = a
		clear(k.failing)
	}
	if k.asker == name {
		woken = k.release()
	}
	if !news {
		return woken
	}
	woken = woken[:0]
	for user := range k.users {
		if user != name {
			woken = append(woken, user)
		}
	}
	return woken
}

// appOf returns what Slack said of the app of a token's bot; false when it was
// not asked.
func (t *tokens) appOf(conn *connection.Connection, bot string) (app string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.known[conn.Token]
	if k == nil || k.bot != bot {
		return "", false
	}
	return k.app, true
}

// noteApp keeps what Slack said of the app of a token's bot.
func (t *tokens) noteApp(conn *connection.Connection, bot, app string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.known[conn.Token]; k != nil {
		k.bot, k.app = bot, app
	}
}
