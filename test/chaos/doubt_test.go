package chaos

import (
	"fmt"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// inDoubt sends messages whose answers get lost. In every other round nothing
// is sent beside them, so that the reading is the first to meet what follows.
func (s *scene) inDoubt(round int) {
	s.t.Helper()
	before := s.total()
	if round%2 == 0 {
		s.doubts(1)
		s.send(len(s.places))
		s.taken(before, len(s.places))
		return
	}
	s.doubts(0.7)
	s.send(pick(8, 24))
	s.taken(before, len(s.places)/2)
}

// The token is revoked while it is open whether Slack took the last messages.
// That nobody may look is no answer: what is in doubt stays so until the token
// is mended.
func TestTokenRevokedAmidDoubts(t *testing.T) {
	for _, c := range []struct {
		name, title string
		mend        func(s *scene, team string, round int)
	}{
		{"revoked", "token revoked amid doubts, and accepted again", func(s *scene, team string, _ int) {
			s.grant(team, s.token(team), "")
			s.credential(team, s.token(team))
		}},
		{"rotated", "token revoked amid doubts, another in the Secret", func(s *scene, team string, round int) {
			token := fmt.Sprintf("xoxb-%s-%d-plantedsecret", team, round)
			s.grant(team, token, "")
			s.credential(team, token)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := stage(t, c.name, c.title, pick(2, 6))
			o := s.operator()
			s.ready()
			for round := range pick(2, 12) {
				s.inDoubt(round)
				for _, team := range s.teams {
					s.grant(team, s.token(team), "token_revoked")
				}
				s.mend()
				s.pause(4*time.Second, 5*time.Second) // whoever reads now is refused
				if round%2 == 1 {
					o.Kill()
					s.kills++
					o = s.operator()
				}
				for _, team := range s.teams {
					c.mend(s, team, round)
				}
				s.ask(fmt.Sprint("round ", round))
				s.ready()
			}
			s.finished(v1alpha1.PhaseDelivered)
			s.end(o)
			s.exactly(s.account())
		})
	}
}

// The bot is removed from the channel while it is open whether Slack took the
// last messages. A private channel is invisible until somebody invites the bot
// again; a public one lets it post unseen, and join so as to look.
func TestBotRemovedAmidDoubts(t *testing.T) {
	for _, private := range []bool{true, false} {
		name, title := "joins", "bot removed from a public channel amid doubts"
		if private {
			name, title = "uninvited", "bot removed from a private channel amid doubts, then invited"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stage(t, name, title, pick(2, 6))
			for _, place := range s.places {
				s.room(place, private, true)
			}
			o := s.operator()
			s.ready()
			for round := range pick(2, 12) {
				s.inDoubt(round)
				for _, place := range s.places {
					s.room(place, private, false)
				}
				s.mend()
				s.pause(4*time.Second, 5*time.Second) // whoever reads now finds no channel, or is no member
				if round%2 == 1 {
					o.Kill()
					s.kills++
					o = s.operator()
				}
				if private {
					for _, place := range s.places {
						s.room(place, private, true)
					}
					for _, team := range s.teams {
						s.credential(team, s.token(team)) // a new version of the Secret has it look at once
					}
				}
				s.ask(fmt.Sprint("round ", round))
				s.ready()
			}
			s.finished(v1alpha1.PhaseDelivered)
			s.end(o)
			s.exactly(s.account())
		})
	}
}

// The SlackChannel gets another channel while it is open whether Slack took the
// last messages: they are looked for where they went.
func TestChannelChangedAmidDoubts(t *testing.T) {
	t.Parallel()
	s := stage(t, "moved", "SlackChannel gets another channel amid doubts", pick(2, 6))
	other := func(place string) string { return channelOf(place) + "B" }
	for _, place := range s.places {
		s.sim("channels?team="+teamOf(place), slacksim.Channel{ID: other(place), Name: place + "b", Members: []string{botOf(teamOf(place))}})
	}
	o := s.operator()
	s.ready()
	for round := range pick(2, 20) {
		s.doubts(0.7)
		before := s.total()
		s.send(pick(8, 24))
		s.taken(before, len(s.places)/2)
		for _, place := range s.places {
			c := &v1alpha1.SlackChannel{ObjectMeta: s.meta(place)}
			s.must(insist(t.Context(), func() error {
				if err := s.get(c); err != nil {
					return err
				}
				c.Spec.WebAPI.Channel = channelOf(place)
				if round%2 == 0 {
					c.Spec.WebAPI.Channel = other(place)
				}
				return env.Client.Update(t.Context(), c)
			}))
		}
		s.mend()
		s.pause(0, 4*time.Second)
	}
	s.finished(v1alpha1.PhaseDelivered)
	s.end(o)
	s.exactly(s.account())
}

// A notification is given to another SlackChannel while it is open whether Slack
// took it: it goes out there, once; what went through the first stays, once, and
// the status says so.
func TestReferenceChangedAmidDoubts(t *testing.T) {
	t.Parallel()
	s := stage(t, "referred", "channelRef changed amid doubts", pick(2, 6))
	first := func(i int) string { return s.places[2*(i%len(s.teams))] }
	second := func(i int) string { return s.places[2*(i%len(s.teams))+1] }
	s.shape = func(i int, n *v1alpha1.SlackNotification) { n.Spec.ChannelRef.Name = first(i) }
	o := s.operator()
	s.ready()
	for range pick(2, 20) {
		s.doubts(0.7)
		before, from := s.total(), s.sent
		s.send(pick(6, 12))
		s.taken(before, len(s.teams))
		for i := from; i < s.sent; i++ {
			s.change(i, func(n *v1alpha1.SlackNotification) { n.Spec.ChannelRef.Name = second(i) })
		}
		s.mend()
		s.pause(0, 4*time.Second)
	}
	s.upToDate()
	s.end(o)
	r := row{messages: s.sent}
	for i, n := range s.list() {
		was, is := s.received(channelOf(first(i)))[s.text(i)], s.received(channelOf(second(i)))[s.text(i)]
		r.lost += max(1-is, 0)
		r.doubled += max(is-1, 0) + max(was-1, 0)
		if was > 0 && !tells(&n, v1alpha1.ReasonChannelChanged) {
			t.Errorf("%s: a message stays in %s, and the status does not say so: %+v", n.Name, first(i), n.Status.Conditions)
		}
	}
	s.exactly(s.enter(r))
}

// tells reports that a reason stands in the status.
func tells(n *v1alpha1.SlackNotification, reason string) bool {
	for _, c := range n.Status.Conditions {
		if c.Reason == reason {
			return true
		}
	}
	for _, d := range n.Status.Deliveries {
		if d.Reason == reason {
			return true
		}
	}
	return false
}
