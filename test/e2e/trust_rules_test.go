package e2e

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// rulesOfHis are attacks by SlackAlerts.
var rulesOfHis = []attack{
	{"templates that ask for all memory", func(s *siege) func() string { return s.rules(evilTemplates(), nil) }},
	{"expressions that ask for all memory", func(s *siege) func() string { return s.rules(nil, evilExpressions()) }},
	{"patterns that ask for all memory", func(s *siege) func() string { return s.rules(nil, evilPatterns()) }},
	{"120 rules about kinds that are not there", tooManyRules},
}

func evilTemplates() []string {
	x, many := `{{ $x := repeat 260000 "x" }}`, strings.Repeat(" $x", 400)
	return []string{
		x + "{{ if print" + many + " }}{{ end }}",
		x + `{{ if printf "` + strings.Repeat("%[1]s", 400) + `" $x }}{{ end }}`,
		x + `{{ define "a" }}{{ $x := print . "y" }}{{ template "b" $x }}{{ template "b" $x }}{{ end }}{{ define "b" }}{{ $x := print . "z" }}{{ repeat 9 $x }}{{ end }}{{ template "a" $x }}`,
		`{{ define "a" }}{{ $x := repeat 260000 "x" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`,
		`{{ $p := repeat 200 "a{1000}" }}` + strings.Repeat(`{{ if regexMatch $p "a" }}{{ end }}`, 120),
		`{{ range $i := until 9000 }}{{ if regexMatch (printf "%d(a{30}){30}" $i) "a" }}{{ end }}{{ end }}`,
		`{{ $l := list }}{{ range until 9000 }}{{ $l = append $l (repeat 200000 "x") }}{{ end }}`,
		`{{ $b := index .object.metadata.annotations "b" }}{{ range until 9000 }}{{ if upper $b }}{{ end }}{{ end }}`,
		`{{ $x := repeat 80000 "{}," }}{{ range until 9000 }}{{ if fromJson (print "[" $x "1") }}{{ end }}{{ end }}`,
	}
}

// his is the long text that the attacker's objects have.
const his = "object.metadata.annotations.b"

func evilExpressions() []string {
	return []string{
		"[" + his + "]" + strings.Repeat(".map(x, x + x)", 40) + ".size() > 0",
		"lists.range(10000).map(x, " + his + " + " + his + ").size() > 0",
		his + ".replace('x', " + his + ").size() > 0",
		his + strings.Repeat(".replace('x', 'xxxx')", 3) + ".size() > 0",
		his + ".split('').join(" + his + ").size() > 0",
		"'%s%s%s%s%s%s%s%s'.format([" + strings.TrimSuffix(strings.Repeat(his+", ", 8), ", ") + "]).size() > 0",
		"lists.range(1000000).map(a, lists.range(1000).map(b, a * b)).size() > 0",
		his + ".findAll('.').map(x, " + his + ").size() > 0",
	}
}

func evilPatterns() []string {
	return []string{
		his + ".matches('" + strings.Repeat("a{1000}", 400) + "')",
		his + ".matches('" + strings.Repeat("(a{30}){30}", 200) + "')",
		strings.Repeat("object.x.matches('(a{30}){30}') || ", 100) + "false",
		"lists.range(5000).exists(i, " + his + ".matches('(x{30}){30}y' + string(i)))",
		his + ".split('').exists(c, " + his + ".matches(c + '(x?){500}y'))",
		his + ".matches('" + strings.Repeat("[^a]{900}", 300) + "')",
	}
}

// rules makes one SlackAlert for each text of a message and each expression, three
// times, about objects that change all the time.
func (s *siege) rules(texts, whens []string) func() string {
	sink := s.private("sink", "", s.impostor(answers{
		"auth.test": say(identity("T0EVIL000", "U0EVIL000")), "*": say(`{"ok":true,"channel":"C0EVIL000","ts":"1700000000.000100"}`),
	}))
	var all []*v1alpha1.SlackAlert
	rule := func(name, when, text string) {
		spec := objectsOf("apps/v1", "Deployment", when)
		spec.ChannelRef.Name, spec.Recipients = sink.Name, []v1alpha1.Recipient{room("C0EVIL000")}
		if text != "" {
			spec.Message = &v1alpha1.AlertMessage{Text: text}
		}
		all = append(all, s.evil.rule(fmt.Sprintf("r%d-%s", s.row, name), spec, func(a *v1alpha1.SlackAlert) { goes(a) }))
	}
	for copy := range 3 {
		for i, text := range texts {
			rule(fmt.Sprint("text-", i, "-", copy), "object.metadata.name.startsWith('bomb')", text)
		}
		for i, when := range whens {
			rule(fmt.Sprint("when-", i, "-", copy), when, "")
		}
	}
	for i := range 3 {
		s.keepsOn(s.bomb(fmt.Sprintf("bomb-%d-%d", s.row, i)))
	}
	// Each is at work, waits for what its namespace's looks may cost, or is refused.
	s.Eventually(func() (rest []string) {
		for _, a := range all {
			if got := s.evil.see(a); got.Ready == "" {
				rest = append(rest, fmt.Sprint(a.Name, got))
			}
		}
		return rest
	}).Should(gomega.BeEmpty(), "the attack is under way")
	if texts != nil {
		s.Eventually(func() int { return len(s.evil.made(all[0])) }).ShouldNot(gomega.BeZero(), "the attack is under way")
	}
	return func() string {
		if made := s.evil.made(all[0]); len(made) > 0 {
			return fmt.Sprintf("%.160s…", made[0].Spec.Text)
		}
		return s.told(all[0])
	}
}

// bomb is a Deployment with 200 KB of text.
func (s *siege) bomb(name string) *appsv1.Deployment {
	d := s.evil.deployment(name, map[string]string{"goes": "with-its-row"})
	s.evil.update(d, func() { d.Annotations = map[string]string{"b": strings.Repeat("x", 200_000)} })
	return d
}

// tooManyRules makes more of them than a namespace may have.
func tooManyRules(s *siege) func() string {
	var all []*v1alpha1.SlackAlert
	for i := range 120 {
		spec := objectsOf(fmt.Sprintf("g%d.example.com/v1", i), "Nothing", "object.x > 0 && "+strings.Repeat("object.y.matches('a{99}') && ", 100)+"true")
		spec.ChannelRef = v1alpha1.ChannelReference{Name: "alerts", Namespace: s.ns}
		all = append(all, s.evil.rule(fmt.Sprintf("r%d-%d", s.row, i), spec, func(a *v1alpha1.SlackAlert) { goes(a) }))
	}
	return func() string {
		// Those of one second are told apart by their names.
		var refused *v1alpha1.SlackAlert
		s.Eventually(func() (n int) {
			for _, a := range all {
				if s.evil.see(a).Reason == v1alpha1.ReasonTooManyAlerts {
					refused = a
					n++
				}
			}
			return n
		}).Should(gomega.BeNumerically(">=", 20), "rules beyond the limit are refused")
		return s.told(refused)
	}
}
