package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/controllers/notification"
)

// bombs are attacks by the length, the depth and the slowness of answers.
func bombs() []attack {
	const much = 8 << 20
	out := []attack{}
	for _, b := range []struct{ name, text string }{
		{"answers of 8 MiB, one text each", `"` + strings.Repeat("x", much) + `"`},
		{"answers of a million elements", "[" + strings.TrimSuffix(strings.Repeat("{},", 1_000_000), ",") + "]"},
		{"answers of 8 MiB, an element each 40 bytes", "[" + strings.TrimSuffix(strings.Repeat(`{"id":"C0EVIL000","name":"xxxxxxxxxxxx"},`, much/41), ",") + "]"},
		{"brackets without end", strings.Repeat(`[{"a":`, much/6)},
	} {
		out = append(out, attack{b.name, func(s *siege) func() string { return s.bombard(b.text) }})
	}
	return append(out, attack{"cursors without end", goesOnForEver}, attack{"a byte a second, to all at once", drips})
}

// lists are the keys of the answers that hold many.
var lists = map[string]string{"conversations.list": "channels", "users.list": "members", "usergroups.list": "usergroups", "conversations.history": "messages"}

// bombard answers with a value in every place, to many at once, by each way.
func (s *siege) bombard(value string) func() string {
	var thrown atomic.Int64
	a := answers{}
	bomb := func(key string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			thrown.Add(1)
			_, _ = io.WriteString(w, `{"ok":true,"`+key+`":`)
			_, _ = io.WriteString(w, value)
			_, _ = io.WriteString(w, "}")
		}
	}
	for method, key := range lists {
		a[method] = bomb(key)
	}
	a["auth.test"], a["*"] = say(identity(fmt.Sprintf("T0EVIL%03d", s.row), "U0EVIL000")), bomb("message")
	i, all := s.impostor(a), s.impostor(answers{"*": bomb("team")})
	var again []*v1alpha1.SlackChannel
	for n := range 6 {
		bot := s.private(fmt.Sprint("bot-", n), "", i)
		s.tries(fmt.Sprint("n-", n), bot, to(user(fmt.Sprint("nobody-", n)), email(fmt.Sprint(n, "@example.com")), user("U0EVIL000"), room("#x")),
			func(o *v1alpha1.SlackNotification) { o.Spec.Text = "<@oncall> <@ada>" })
		s.tries(fmt.Sprint("hook-", n), s.hook(fmt.Sprint("hook-", n), all))
		again = append(again, bot, s.private(fmt.Sprint("list-", n), fmt.Sprint("#x-", n), i), s.private(fmt.Sprint("auth-", n), "", all))
	}
	for _, c := range again {
		s.keepsOn(c)
	}
	s.Eventually(thrown.Load).Should(gomega.BeNumerically(">=", 4), "the attack is under way")
	return func() string {
		// Who changes an object all the time may keep its status from being written.
		told := ""
		for _, c := range again {
			if told = s.told(c); s.evil.see(c).Ready == "False" {
				break
			}
		}
		return fmt.Sprintf("%s (%d such answers)", told, thrown.Load())
	}
}

// hook makes a SlackChannel with a webhook, whose plain http goes through the
// attacker's proxy.
func (s *siege) hook(name string, i *impostor) *v1alpha1.SlackChannel {
	return s.private(name, "", i, func(c *v1alpha1.SlackChannel) {
		url := secretOf(s.evil.ns, c.Name+"-url", map[string]string{"url": env.slack + "/services/T0EVIL000/B0EVIL000/plantedsecret" + c.Name})
		s.evil.create(url)
		c.Spec.WebAPI, c.Spec.Webhook = nil, &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: url.Name}}
	})
}

// goesOnForEver gives lists that have no last page.
func goesOnForEver(s *siege) func() string {
	var n atomic.Int64
	page := func(key string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			var b strings.Builder
			for range 1000 {
				id := n.Add(1)
				_, _ = fmt.Fprintf(&b, `{"id":"X%09d","name":"%d%s"},`, id, id, strings.Repeat("x", 2000))
			}
			_, _ = fmt.Fprintf(w, `{"ok":true,%q:[%s],"response_metadata":{"next_cursor":"%d"}}`, key, strings.TrimSuffix(b.String(), ","), n.Load())
		}
	}
	a := answers{"*": say(`{"ok":false,"error":"internal_error"}`)}
	for method, key := range lists {
		a[method] = page(key)
	}
	var team atomic.Int64
	a["auth.test"] = func(w http.ResponseWriter, _ *http.Request) { // a list for each workspace
		_, _ = io.WriteString(w, identity(fmt.Sprintf("T0EVIL%03d", team.Add(1)), "U0EVIL000"))
	}
	i := s.impostor(a)
	var list *v1alpha1.SlackChannel
	for c := range 6 {
		list = s.private(fmt.Sprint("list-", c), "#x", i)
		s.tries(fmt.Sprint("n-", c), s.private(fmt.Sprint("bot-", c), "", i), to(user("nobody")))
	}
	s.reached(i, 5, "users.list", "conversations.list")
	return func() string { return fmt.Sprintf("%s (%d entries)", s.told(list), n.Load()) }
}

// atOnce is how many calls a tenant's servers may be seen to hold of so many
// workers: a quarter, and as many that the operator has given up already, which a
// server sees a moment later.
func atOnce(workers int) int { return workers / 2 }

// drips has more messages than there are workers wait for answers that do not end,
// each by a webhook of its own, since those of one conversation take turns, and
// checks and look-ups beside. That the others' messages arrive proves little, as
// calls end by their timeout: what is held against the operator is how many of its
// workers are held at once.
func drips(s *siege) func() string {
	everywhere := &crowd{}
	slow := func(w http.ResponseWriter, r *http.Request) {
		everywhere.enter()
		defer everywhere.leave()
		drip(w, r)
	}
	posts := s.impostor(answers{"auth.test": say(identity("T0EVIL000", "U0EVIL000")), "*": slow})
	checks := s.impostor(answers{"*": slow})
	var check *v1alpha1.SlackChannel
	for n := range 12 {
		bot := s.private(fmt.Sprint("bot-", n), "", posts)
		s.tries(fmt.Sprint("n-", n), bot, to(room("C0EVIL000"), user("U0EVIL000"), user("nobody"), email("nobody@example.com")))
		s.tries(fmt.Sprint("hook-", n), s.hook(fmt.Sprint("hook-", n), checks))
		check = s.private(fmt.Sprint("check-", n), "", checks)
		s.private(fmt.Sprint("late-", n), "#x", checks)
	}
	for n := range 80 {
		s.tries(fmt.Sprint("stuck-", n), s.hook(fmt.Sprint("stuck-", n), checks))
	}
	s.reached(posts, 4)
	s.reached(checks, 16)
	return func() string {
		s.Expect(everywhere.peak()).To(gomega.BeNumerically("<=", atOnce(notification.DefaultConcurrency)), "calls of one namespace under way at once")
		return fmt.Sprintf("%s (%d calls at once)", s.told(check), everywhere.peak())
	}
}
