package alert

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/schedule"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// The states of an object: "lacking" has not the field that "when" is about.
const (
	good    = "good"
	bad     = "bad"
	lacking = "lacking"
	gone    = "gone"
)

const (
	dayHold = 2 * time.Minute
	dayKeep = 5 * time.Minute
)

// shift is since when an object has been in a state.
type shift struct {
	at    time.Time
	state string
}

// actor is an object with a life of its own.
type actor struct {
	name    string
	uid     int
	plan    func(a *actor) (string, time.Duration)
	history []shift
	next    time.Time
	shown   *kindwatch.Object
	round   int
	// open while there is an incident about it.
	open bool
	// told during the present bad time.
	told bool
}

func (a *actor) state() string { return a.history[len(a.history)-1].state }

// was reports whether the actor was in one of these states at any time of the
// last while.
func (a *actor) was(now time.Time, while time.Duration, states ...string) bool {
	for i, s := range a.history {
		until := now
		if i+1 < len(a.history) {
			until = a.history[i+1].at
		}
		if until.After(now.Add(-while)) && slices.Contains(states, s.state) {
			return true
		}
	}
	return false
}

// dayOfObjects are 200 objects and the rule that watches them.
type dayOfObjects struct {
	*day
	alert   *v1alpha1.SlackAlert
	actors  []*actor
	version int

	r   *Reconciler
	run *activeRule
	// tended is when it was last seen to without a change.
	tended time.Time
}

func newDayOfObjects(d *day) *dayOfObjects {
	o := &dayOfObjects{day: d}
	o.alert = d.rule("objects", func(s *v1alpha1.SlackAlertSpec) {
		s.Source.Objects = &v1alpha1.ObjectsSource{APIVersion: "v1", Kind: "Pod", When: "object.state == 'bad'", For: &metav1.Duration{Duration: dayHold}}
		s.KeepFiringFor = &metav1.Duration{Duration: dayKeep}
	})
	lives := []func(*actor) (string, time.Duration){o.flap, o.crash, o.rollOut, o.vanish}
	for i := range 200 {
		a := &actor{name: fmt.Sprintf("pod-%03d", i), plan: lives[i%len(lives)]}
		a.history = []shift{{d.now(), good}}
		a.next = d.now().Add(d.between(time.Minute, time.Hour))
		o.actors = append(o.actors, a)
	}
	return o
}

// flap is bad for less than "for" most times.
func (o *dayOfObjects) flap(a *actor) (string, time.Duration) {
	if a.state() != good {
		return good, o.between(30*time.Second, 20*time.Minute)
	}
	return bad, o.between(30*time.Second, 3*time.Minute)
}

// crash is the loop of a container: bad for long, and good for a moment.
func (o *dayOfObjects) crash(a *actor) (string, time.Duration) {
	if a.round++; a.round%20 == 0 {
		return good, o.between(time.Hour, 3*time.Hour)
	}
	if a.state() == bad {
		return good, o.between(30*time.Second, time.Minute)
	}
	return bad, o.between(time.Minute, 5*time.Minute)
}

// rollOut is bad now and then, and lacks the field amid it, as readyReplicas is
// left out at 0.
func (o *dayOfObjects) rollOut(a *actor) (string, time.Duration) {
	switch a.state() {
	case bad:
		if o.chance(0.5) {
			return lacking, o.between(30*time.Second, 20*time.Minute)
		}
		return good, o.between(10*time.Minute, 2*time.Hour)
	case lacking:
		if o.chance(0.5) {
			return bad, o.between(30*time.Second, 10*time.Minute)
		}
		return good, o.between(10*time.Minute, 2*time.Hour)
	default:
		return bad, o.between(time.Minute, 10*time.Minute)
	}
}

// vanish is deleted, and made again with another UID.
func (o *dayOfObjects) vanish(a *actor) (string, time.Duration) {
	switch a.state() {
	case bad:
		return gone, o.between(30*time.Second, 30*time.Minute)
	case gone:
		return good, o.between(time.Minute, time.Hour)
	default:
		return bad, o.between(30*time.Second, 15*time.Minute)
	}
}

// happen moves the objects on. When all is to be calm, they get well and stay so.
func (o *dayOfObjects) happen(busy bool) {
	now := o.now()
	for _, a := range o.actors {
		if a.state() == bad && !a.told && now.Sub(a.history[len(a.history)-1].at) > dayHold+downFor+time.Minute && o.running() && now.Sub(o.down) > time.Minute {
			o.sum[o.alert.Name].missed++
			a.told = true
			o.t.Logf("missed that %s is bad at %s: %v", a.name, now, a.last())
		}
		if now.Before(a.next) || !busy && a.state() == good {
			continue
		}
		state, while := good, time.Hour
		if busy {
			state, while = a.plan(a)
		}
		a.next = now.Add(while)
		a.history = append(a.history, shift{now, state})
		if state == bad {
			a.told = a.open
		}
		o.show(a)
	}
}

// show has the rule see an object as it is.
func (o *dayOfObjects) show(a *actor) {
	was := a.shown
	if a.state() == gone {
		a.shown = nil
		a.uid++
		if o.run != nil && was != nil {
			o.run.watched.OnDelete(was)
		}
		return
	}
	o.version++
	object := map[string]any{"apiVersion": "v1", "kind": "Pod", "state": a.state(), "metadata": map[string]any{
		"namespace": "ns", "name": a.name, "uid": fmt.Sprint(a.name, "-", a.uid), "resourceVersion": fmt.Sprint(o.version)}}
	if a.state() == lacking {
		delete(object, "state")
	}
	made, err := kindwatch.Pack(&unstructured.Unstructured{Object: object})
	if err != nil {
		o.t.Fatal(err)
	}
	a.shown = made
	switch {
	case o.run == nil:
	case was != nil:
		o.run.watched.OnUpdate(was, a.shown)
	default:
		o.run.watched.OnAdd(a.shown, false)
	}
}

// stop is the end of the process: all that is not stored is forgotten.
func (o *dayOfObjects) stop() { o.r, o.run = nil, nil }

// begin is a new process, which sees what there is.
func (o *dayOfObjects) begin() {
	o.r = &Reconciler{Client: o.client, Clock: o.clock, Incidents: o.incidents()}
	rule := o.compiled(o.alert)
	in := &scope{Scope: kindwatch.Scope{Namespaces: map[string]bool{"ns": true}}}
	o.run = &activeRule{uid: o.alert.UID, alert: o.alert, rule: rule, scope: in, schedule: schedule.New(o.clock, DefaultPace, func() {}), since: o.now(),
		unrendered: map[string]string{}, sub: &kindwatch.Subscription{}}
	o.run.watched = source.Follow(source.Env{Alert: o.alert, Rule: rule, Scope: &in.Scope, Schedule: o.run.schedule, Evaluated: func(string) {}}, nil)
	for _, a := range o.actors {
		if a.shown != nil {
			o.run.watched.OnAdd(a.shown, true)
		}
	}
	o.run.watched.Begun(nil)
}

// work is what a reconciliation does once all has been seen.
func (o *dayOfObjects) work() {
	if o.run == nil {
		o.begin()
	}
	next := o.run.schedule.Next()
	idle := next.IsZero() || o.now().Before(next)
	o.run.watched.Save(o.alert)
	if idle && o.now().Sub(o.tended) < time.Minute {
		return
	}
	o.tended = o.now()
	if _, err := o.r.processChanges(o.ctx, o.run); err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.r.Incidents.Maintain(o.ctx, o.alert, nil); err != nil {
		o.t.Fatal(err)
	}
}

// about finds the object that an incident is about.
func (o *dayOfObjects) about(key string) *actor {
	i := slices.IndexFunc(o.actors, func(a *actor) bool { return "ns/"+a.name == key })
	if i < 0 {
		return nil
	}
	return o.actors[i]
}

// opened is false when the object has not been bad for all the time that the rule
// asks for.
func (o *dayOfObjects) opened(key string) {
	a := o.about(key)
	if a == nil {
		return
	}
	a.open, a.told = true, true
	if !a.held(o.now()) {
		o.sum[o.alert.Name].falseAlarms++
		o.t.Logf("false alarm about %s at %s: %v", key, o.now(), a.last())
	}
}

// held reports whether the object was bad for long enough, until now or a moment
// ago.
func (a *actor) held(now time.Time) bool {
	until := now
	for _, s := range slices.Backward(a.history) {
		switch s.state {
		case bad, lacking:
			if now.Sub(until) <= 2*dayStep && until.Sub(s.at) >= dayHold-dayStep {
				return true
			}
		default:
			if now.Sub(s.at) > 2*dayStep {
				return false
			}
			until = s.at
		}
	}
	return false
}

// resolved is false when the object was bad, or may have been, within the time
// that the rule asks for.
func (o *dayOfObjects) resolved(key string) {
	a := o.about(key)
	if a == nil {
		return
	}
	a.open = false
	if a.was(o.now(), dayKeep-dayStep, bad, lacking) {
		o.sum[o.alert.Name].falseClears++
		o.t.Logf("false all-clear of %s at %s: %v", key, o.now(), a.last())
	}
}

func (a *actor) last() []shift { return a.history[max(0, len(a.history)-6):] }

func (o *dayOfObjects) end() { o.sum[o.alert.Name].leftOpen = o.store.open(o.alert.Name) }
