package alert

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// The times of Alertmanager's route, and how long a rule waits for news.
const (
	groupWait      = 30 * time.Second
	groupInterval  = 5 * time.Minute
	repeatInterval = time.Hour
	dayQuiet       = 90 * time.Minute
	// longestDelay is how late a post may come.
	longestDelay = 2 * time.Minute
)

// fact is an alert of Prometheus', as it truly is.
type fact struct {
	name, cluster, instance string
	began, ended            time.Time
	next                    time.Time
	// silenced is until when, and hushed since when, it was last silenced.
	hushed, silenced time.Time
	// told is the start of the firing, and when, that was last delivered; over
	// the start of the one that was delivered as resolved.
	told, toldAt, over time.Time
	missed             bool
}

func (f *fact) fires() bool { return !f.began.IsZero() && f.ended.IsZero() }

func (f *fact) groupKey() string { return "{}:{alertname=\"" + f.name + "\"}" }

func (f *fact) fingerprint() string { return f.name + f.cluster + f.instance }

// sender is one Alertmanager. Peers of a cluster share the log of what was sent,
// unless gossip fails.
type sender struct {
	cluster, url string
	peer         int
	groups       map[string]*amGroup
	log          map[string]sent
}

// amGroup is a group of a route: when it is flushed next, and the alerts that are
// over and not told of yet.
type amGroup struct {
	flush time.Time
	over  map[*fact]told
}

type told struct{ began, ended time.Time }

// sent is an entry of the log.
type sent struct {
	at            time.Time
	firing, ended map[string]bool
}

// posting is a post on its way.
type posting struct {
	at    time.Time
	body  []byte
	tries int
	done  func()
	facts []*fact
	told  []told
	made  time.Time
}

// dayOfPosts are three Alertmanagers of two clusters that have one configuration,
// and two rules that they post to.
type dayOfPosts struct {
	*day
	rules   []*v1alpha1.SlackAlert
	facts   []*fact
	senders []*sender
	way     []posting

	posts          *source.Receiver
	tended, looked time.Time
}

func newDayOfPosts(d *day) *dayOfPosts {
	p := &dayOfPosts{day: d}
	for name, groupBy := range map[string][]string{"alertmanager": nil, "alertmanager-groupby": {"labels.alertname", "labels.cluster"}} {
		p.rules = append(p.rules, d.rule(name, func(s *v1alpha1.SlackAlertSpec) {
			s.Source.Alertmanager, s.GroupBy = &v1alpha1.AlertmanagerSource{}, groupBy
			s.ResolveAfter = &metav1.Duration{Duration: dayQuiet}
		}))
	}
	slices.SortFunc(p.rules, func(a, b *v1alpha1.SlackAlert) int { return strings.Compare(a.Name, b.Name) })
	for i := range 8 {
		for _, cluster := range []string{"east", "west"} {
			for instance := range 3 {
				p.facts = append(p.facts, &fact{name: fmt.Sprint("Alert", i), cluster: cluster, instance: fmt.Sprint("i", instance), next: d.now().Add(d.between(time.Minute, 2*time.Hour))})
			}
		}
	}
	for _, s := range []sender{{cluster: "east", url: "http://east-0:9093"}, {cluster: "east", url: "http://east-1:9093", peer: 1}, {cluster: "west", url: "http://west-0:9093"}} {
		s.groups, s.log = map[string]*amGroup{}, map[string]sent{}
		p.senders = append(p.senders, &s)
	}
	return p
}

func (p *dayOfPosts) names() (out []string) {
	for _, r := range p.rules {
		out = append(out, r.Name)
	}
	return out
}

// happen moves the alerts and the Alertmanagers on.
func (p *dayOfPosts) happen(busy bool) {
	now := p.now()
	for _, f := range p.facts {
		switch {
		case now.Before(f.next) || !busy && !f.fires():
		case f.fires():
			f.ended, f.next = now, now.Add(p.between(time.Minute, 90*time.Minute))
			for _, s := range p.senders {
				if s.cluster == f.cluster {
					s.group(f.name, now).over[f] = told{f.began, f.ended}
				}
			}
		default:
			f.began, f.ended, f.missed = now, time.Time{}, false
			f.next = now.Add(p.between(time.Minute, 3*time.Hour))
			for _, s := range p.senders {
				if s.cluster == f.cluster {
					s.group(f.name, now)
				}
			}
		}
		if busy && f.fires() && !now.Before(f.silenced) && p.chance(0.0004) {
			f.hushed, f.silenced = now, now.Add(p.between(10*time.Minute, 2*time.Hour))
		}
	}
	for _, s := range p.senders {
		if busy && p.chance(0.0005) {
			p.crash(s)
		}
		for _, name := range slices.Sorted(maps.Keys(s.groups)) { // so that each run is the same
			if g := s.groups[name]; !now.Before(g.flush) {
				g.flush = now.Add(groupInterval)
				p.flush(s, name, g)
			}
		}
	}
}

// group returns the group of an alert, which is flushed soon when it is new.
func (s *sender) group(name string, now time.Time) *amGroup {
	g := s.groups[name]
	if g == nil {
		g = &amGroup{flush: now.Add(groupWait + time.Duration(s.peer)*15*time.Second), over: map[*fact]told{}}
		s.groups[name] = g
	}
	return g
}

// crash is a restart of an Alertmanager: a Pod may have another name then, and may
// have lost its log.
func (p *dayOfPosts) crash(s *sender) {
	s.groups = map[string]*amGroup{}
	if p.chance(0.5) {
		s.url = fmt.Sprintf("http://%s-%d:9093", s.cluster, p.random.IntN(1000))
	}
	if p.chance(0.3) {
		s.log = map[string]sent{}
	}
	for _, f := range p.facts { // Prometheus tells it again
		if f.cluster != s.cluster || f.began.IsZero() {
			continue
		}
		if f.fires() {
			s.group(f.name, p.now())
		} else if p.now().Sub(f.ended) < 15*time.Minute {
			s.group(f.name, p.now()).over[f] = told{f.began, f.ended}
		}
	}
}

// flush posts what a group has to tell, as Alertmanager decides it
// (notify.DedupStage.needsUpdate).
func (p *dayOfPosts) flush(s *sender, name string, g *amGroup) {
	now := p.now()
	is := sent{at: now, firing: map[string]bool{}, ended: map[string]bool{}}
	var facts []*fact
	var tells []told
	for _, f := range p.facts {
		if f.name != name || f.cluster != s.cluster || now.Before(f.silenced) {
			continue
		}
		if over, ok := g.over[f]; f.fires() {
			facts, tells = append(facts, f), append(tells, told{began: f.began})
			is.firing[f.fingerprint()] = true
		} else if ok {
			facts, tells = append(facts, f), append(tells, over)
			is.ended[f.fingerprint()] = true
		}
	}
	last, known := s.log[name]
	switch {
	case len(facts) == 0, !known && len(is.firing) == 0:
		return
	case !subset(is.firing, last.firing), !subset(is.ended, last.ended), len(is.firing) > 0 && now.Sub(last.at) >= repeatInterval:
	case len(is.firing) == 0 && len(last.firing) > 0:
	default:
		return
	}
	done := func() {
		for _, other := range p.senders {
			if other == s || other.cluster == s.cluster && p.chance(0.9) {
				other.log[name] = is
			}
		}
		for i, f := range facts {
			if !tells[i].ended.IsZero() && g.over[f] == tells[i] {
				delete(g.over, f)
			}
		}
	}
	post := posting{at: now, made: now, body: p.body(s, name, facts, tells), done: done, facts: facts, told: tells}
	if p.chance(0.05) { // it is on its way for long, and counts as sent
		post.at = now.Add(p.between(10*time.Second, longestDelay))
		done()
		post.done = func() {}
	}
	p.way = append(p.way, post)
	if p.chance(0.05) { // the answer is lost, so it comes again
		post.at = post.at.Add(p.between(0, longestDelay))
		p.way = append(p.way, post)
	}
}

func subset(a, b map[string]bool) bool {
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

// body is a post of Alertmanager's, version 4.
func (p *dayOfPosts) body(s *sender, name string, facts []*fact, tells []told) []byte {
	status := "resolved"
	var alerts []any
	for i, f := range facts {
		one := map[string]any{
			"status": "resolved", "fingerprint": f.fingerprint(), "startsAt": tells[i].began, "endsAt": tells[i].ended,
			"labels": map[string]string{"alertname": f.name, "cluster": f.cluster, "instance": f.instance},
		}
		if tells[i].ended.IsZero() {
			one["status"], status = "firing", "firing"
		}
		alerts = append(alerts, one)
	}
	out, err := json.Marshal(map[string]any{
		"version": "4", "groupKey": facts[0].groupKey(), "status": status, "receiver": "slack", "externalURL": s.url,
		"groupLabels": map[string]string{"alertname": name}, "alerts": alerts,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// stop is the end of the process.
func (p *dayOfPosts) stop() { p.posts = nil }

// work delivers what has come, and tends the incidents. Posts that find nobody, or
// are lost, are tried again, or by the next flush.
func (p *dayOfPosts) work() {
	if p.posts == nil {
		p.posts = &source.Receiver{Store: p.incidents(), Clock: p.clock, Rules: &alerting.Cache{}}
	}
	now := p.now()
	var left []posting
	for _, one := range p.way {
		switch {
		case now.Before(one.at):
			left = append(left, one)
		case one.tries < 3 && p.chance(0.05):
			one.tries, one.at = one.tries+1, now.Add(10*time.Second)
			left = append(left, one)
		case one.tries >= 3 || p.chance(0.03): // lost
		default:
			p.deliver(one)
		}
	}
	p.way = left
	if now.Sub(p.tended) < time.Minute {
		return
	}
	p.tended = now
	for _, rule := range p.rules {
		if _, err := p.posts.EndQuiet(p.ctx, rule); err != nil {
			p.t.Fatal(err)
		}
		if _, err := p.posts.Store.Maintain(p.ctx, rule, nil); err != nil {
			p.t.Fatal(err)
		}
		if now.Sub(p.looked) >= groupInterval {
			p.look(rule)
		}
	}
	if now.Sub(p.looked) >= groupInterval {
		p.looked = now
	}
}

func (p *dayOfPosts) deliver(one posting) {
	for i, f := range one.facts {
		if one.told[i].ended.IsZero() {
			if !one.told[i].began.Before(f.told) {
				f.told, f.toldAt = one.told[i].began, one.made
			}
		} else if one.told[i].began.After(f.over) {
			f.over = one.told[i].began
		}
	}
	for _, rule := range p.rules {
		if _, err := p.posts.Receive(p.ctx, rule, posts.Raw{Body: one.body}); err != nil {
			p.t.Fatal(err)
		}
	}
	one.done()
}

// about are the alerts that an incident is about, and its rule.
func (p *dayOfPosts) about(key string) (string, []*fact) {
	var out []*fact
	rule := ""
	for _, f := range p.facts {
		switch key {
		case f.groupKey():
			rule = "alertmanager"
		case f.name + " " + f.cluster:
			rule = "alertmanager-groupby"
		default:
			continue
		}
		out = append(out, f)
	}
	return rule, out
}

// opened is false when nothing that it is about fires, or has done so of late and
// was not told to be over.
func (p *dayOfPosts) opened(key string) {
	rule, facts := p.about(key)
	if rule == "" {
		return
	}
	for _, f := range facts {
		if f.fires() || p.now().Sub(f.ended) < 2*longestDelay+groupInterval && f.over.Before(f.began) {
			return
		}
	}
	p.sum[rule].falseAlarms++
	p.t.Logf("%s: false alarm of %s at %s: %s", rule, key, p.now(), p.words(facts))
}

// resolved is false when something that it is about fires, and was told to.
func (p *dayOfPosts) resolved(key string) {
	rule, facts := p.about(key)
	for _, f := range facts {
		if f.fires() && f.told.Equal(f.began) && !f.silenced.After(f.toldAt) {
			p.sum[rule].falseClears++
			p.t.Logf("%s: false all-clear of %s at %s: %s", rule, key, p.now(), p.words(facts))
			return
		}
	}
}

// look finds alerts that have fired for long and are told of nowhere.
func (p *dayOfPosts) look(rule *v1alpha1.SlackAlert) {
	open := map[string]bool{}
	for _, n := range p.store.all {
		if s, ok := incident.StateOf(n); ok && s.Open() && n.Labels[v1alpha1.LabelAlert] == rule.Name {
			open[s.Text] = true
		}
	}
	for _, f := range p.facts {
		if !f.fires() || f.missed || p.now().Sub(latest(f.began, f.silenced)) < 4*groupInterval {
			continue
		}
		told := slices.ContainsFunc(slices.Collect(maps.Keys(open)), func(key string) bool {
			_, facts := p.about(key)
			return slices.Contains(facts, f)
		})
		if !told {
			f.missed = true
			p.sum[rule.Name].missed++
			p.t.Logf("%s: missed at %s: %s", rule.Name, p.now(), p.words([]*fact{f}))
		}
	}
}

func (p *dayOfPosts) words(facts []*fact) string {
	var out []string
	clock := func(t time.Time) string { return t.Format("15:04:05") }
	for _, f := range facts {
		out = append(out, fmt.Sprintf("%s/%s began %s ended %s, told %s at %s, over %s, silenced %s to %s", f.cluster, f.instance,
			clock(f.began), clock(f.ended), clock(f.told), clock(f.toldAt), clock(f.over), clock(f.hushed), clock(f.silenced)))
	}
	return strings.Join(out, "; ")
}

func (p *dayOfPosts) end() {
	for _, rule := range p.rules {
		p.sum[rule.Name].leftOpen = p.store.open(rule.Name)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
