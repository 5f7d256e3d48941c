package alerting

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// scene is what templates of the tests see.
func scene() map[string]any {
	return map[string]any{
		"state": Firing, "cluster": "prod", "rule": map[string]any{"name": "r", "namespace": "ns"},
		"labels": map[string]any{"app": "web"},
		"object": map[string]any{
			"metadata": map[string]any{"name": "web", "evil": "<!channel> & <@U1>", "tags": []any{"a", "<b>"}},
			"status":   map[string]any{"replicas": int64(3), "ratio": 0.5, "ok": true, "at": "2026-11-24T08:09:10Z"},
		},
	}
}

// compileText compiles the template of a text.
func compileText(text string, m mode) (*template, error) {
	return (&set{}).compile("spec.message.text", text, m)
}

// execute runs a template on the scene.
func execute(ctx context.Context, t *template) (string, error) {
	return t.set.begin(ctx).execute(t, scene())
}

func TestTemplates(t *testing.T) {
	for _, c := range []struct{ text, mrkdwn, plain string }{
		{"{{ .object.metadata.name }} is down", "web is down", ""},
		{"<!here> {{ .object.metadata.evil }}", "<!here> &lt;!channel&gt; &amp; &lt;@U1&gt;", "<!here> <!channel> & <@U1>"},
		{"{{ .object.metadata.evil | raw }}", "<!channel> & <@U1>", ""},
		{"{{ .object.metadata.evil | upper | safe }}", "<!CHANNEL> & <@U1>", ""},
		{`{{ printf "<%s>" .object.metadata.name }}`, "&lt;web&gt;", "<web>"},
		{"{{ .object.nothing }}", "(no such field: .object.nothing)", ""},
		{"{{ .nothing.at.all }}", "(no such field: .nothing.at.all)", ""},
		{`{{ index .labels "a<b" }}`, `(no such field: index .labels "a&lt;b")`, `(no such field: index .labels "a<b")`},
		{`{{ .object.nothing | default "none" }}`, "none", ""},
		{"{{ .object.nothing | raw }}", "(no such field: .object.nothing | raw)", ""},
		{"{{ index .object.metadata.tags 7 }}", "(no such field: index .object.metadata.tags 7)", ""},
		{"{{ with .object.status }}{{ .replicas }} {{ .ratio }} {{ .ok }}{{ end }}", "3 0.5 true", ""},
		{"{{ range .object.metadata.tags }}{{ . }};{{ end }}", "a;&lt;b&gt;;", "a;<b>;"},
		{"{{ .object.metadata.tags }}", `["a","\u003cb\u003e"]`, ""},
		{"{{ $x := .object.metadata.evil }}{{ $x }}", "&lt;!channel&gt; &amp; &lt;@U1&gt;", "<!channel> & <@U1>"},
		{`{{ define "x" }}{{ .metadata.evil }}{{ end }}{{ template "x" .object }}`, "&lt;!channel&gt; &amp; &lt;@U1&gt;", "<!channel> & <@U1>"},
		{`{{ if eq .state "firing" }}on{{ else }}off{{ end }} in {{ .cluster }} by {{ .rule.name }}`, "on in prod by r", ""},
		{`{{ .object.status.at | date "15:04" }} {{ "soon" | date "15:04" }}`, "08:09 soon", ""},
		{"{{ keys .object.status | join \",\" }} {{ values .labels | first }}", "at,ok,ratio,replicas web", ""},
		{"{{ add .object.status.replicas 1 }} {{ .object.metadata.name | trunc 2 | quote }}", `4 "we"`, ""},
		{"{{- /* nothing */ -}}", "", ""},
	} {
		for m, want := range map[mode]string{mrkdwn: c.mrkdwn, plain: c.plain} {
			if m == plain && want == "" {
				want = c.mrkdwn
			}
			parsed, err := compileText(c.text, m)
			if err != nil {
				t.Errorf("%s: %v", c.text, err)
				continue
			}
			got, err := execute(context.Background(), parsed)
			if err != nil || got != want {
				t.Errorf("%s gives %q, %v; want %q", c.text, got, err, want)
			}
		}
	}
}

// What a template may not do is refused when it is compiled.
func TestTemplatesThatDoNotCompile(t *testing.T) {
	for text, want := range map[string]string{
		"a\n{{ .x":                           "spec.message.text, line 2: unclosed action",
		"{{ end }}":                          "spec.message.text, line 1: unexpected {{end}}",
		`{{ env "HOME" }}`:                   `spec.message.text, line 1: function "env" not defined`,
		`{{ expandenv "$HOME" }}`:            `spec.message.text, line 1: function "expandenv" not defined`,
		`{{ getHostByName "a.com" }}`:        `spec.message.text, line 1: function "getHostByName" not defined`,
		"{{ now }}":                          `spec.message.text, line 1: function "now" not defined`,
		"{{ randAlpha 3 }}":                  `spec.message.text, line 1: function "randAlpha" not defined`,
		`{{ genPrivateKey "rsa" }}`:          `spec.message.text, line 1: function "genPrivateKey" not defined`,
		`{{ set .object "a" "b" }}`:          `spec.message.text, line 1: function "set" not defined`,
		`{{ template "none" }}`:              `spec.message.text: template "none" is not defined`,
		`{{ template "spec.message.text" }}`: `spec.message.text: template "spec.message.text" calls itself, or others more than 10 deep`,
		`{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}`:                                              `spec.message.text: template "spec.message.text" calls itself, or others more than 10 deep`,
		`{{ define "x" }}{{ template "y" }}{{ end }}{{ define "y" }}{{ if .a }}{{ template "x" }}{{ end }}{{ end }}`: `spec.message.text: template "x" calls itself, or others more than 10 deep`,
		chain(11): `spec.message.text: template "spec.message.text" calls itself, or others more than 10 deep`,
		chain(8):  "",
	} {
		_, err := compileText(text, mrkdwn)
		var failed *CompileError
		switch {
		case want == "" && err != nil, want != "" && (!errors.As(err, &failed) || failed.Message != want):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// chain is a template that calls others, so many deep.
func chain(n int) string {
	out := `{{ template "t0" . }}`
	for i := range n {
		out += fmt.Sprintf(`{{ define "t%d" }}{{ template "t%d" . }}{{ end }}`, i, i+1)
	}
	return out + fmt.Sprintf(`{{ define "t%d" }}end{{ end }}`, n)
}

// Each field knows what it defines itself, and nothing of the others.
func TestFieldsDefineTheirOwn(t *testing.T) {
	rule, err := Compile(&v1alpha1.SlackAlertSpec{Message: &v1alpha1.AlertMessage{
		Title: `{{ define "x" }}one{{ end }}{{ template "x" }}`,
		Text:  `{{ define "x" }}two {{ .cluster }}{{ end }}{{ template "x" . }}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := rule.Render(t.Context(), scene(), v1alpha1.Content{}); err != nil || got.Title != "one" || got.Text != "two prod" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = Compile(&v1alpha1.SlackAlertSpec{Message: &v1alpha1.AlertMessage{Title: `{{ define "x" }}one{{ end }}`, Text: `{{ template "x" }}`}})
	if err == nil || !strings.Contains(err.Error(), `spec.message.text: template "x" is not defined`) {
		t.Errorf("what the title defines is known in the text: %v", err)
	}
}

// Nothing but its own place is lost where an expression fails.
func TestExpressionsThatFail(t *testing.T) {
	for text, want := range map[string]string{
		`{{ fail "no" }}`: "no",
		"{{ div 1 0 }}":   "divide by zero",
		`{{ untilStep 0 9223372036854775807 4611686018427387904 }}`: "it counts to 1099511627776 at the most",
		`{{ regexMatch "(" "a" }}`:                                  "is no regular expression",
		`{{ regexMatch (repeat 501 "a") "a" }}`:                     "has 501 characters: at most 500 are taken",
		`{{ regexMatch "a{1000}" "a" }}`:                            "takes more than 1000 steps",
		`{{ semver (repeat 300 "1") }}`:                             "a version has at most 256 characters",
		`{{ fail (repeat 3000 "x") }}`:                              "xxx…",
		`{{ printf "%1000000d" 1 }}`:                                "printf takes no width over 999",
		`{{ printf "%*d" 1000000 1 }}`:                              "printf takes no width over 999",
		`{{ upper 1 2 }}`:                                           "wrong number of args",
		`{{ gt .state 3 }}`:                                         "a string can't be compared with a int",
		`{{ len 3 }}`:                                               "a int has no length",
		`{{ index .object.metadata.name "x" }}`:                     "a list has numbers for keys",
		`{{ call .state }}`:                                         "non-function",
		`{{ slice .object.metadata.tags 7 }}`:                       "slice",
		`{{ atoi .labels }}`:                                        "expected string",
		`{{ if gt .state 3 }}x{{ end }}`:                            "can't be compared",
		`{{ with upper 1 }}x{{ end }}`:                              "expected string",
		`{{ range .state }}x{{ end }}`:                              "can be looped over",
		`{{ range .object.metadata.tags }}{{ fail . }}{{ end }}`:    "fail",
	} {
		t.Run(text, func(t *testing.T) {
			parsed, err := compileText("before "+text+" after {{ .cluster }}", plain)
			if err != nil {
				t.Fatal(err)
			}
			got, err := execute(context.Background(), parsed)
			var failed *EvalError
			if !errors.As(err, &failed) || failed.Place != "spec.message.text" || !strings.Contains(failed.Message, want) {
				t.Errorf("fails with %v, want %q", err, want)
			}
			if !strings.HasPrefix(got, "before (") || !strings.HasSuffix(got, " can't be shown) after prod") {
				t.Errorf("leaves %.200q", got)
			}
		})
	}
}

// A template that asks for too much says where, and leaves a note in the message.
func TestTemplatesThatFail(t *testing.T) {
	big := `{{ $s := "0123456789" }}`
	for range 30 {
		big += "{{ $s = print $s $s }}"
	}
	branching := `{{ template "a" }}`
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		branching += fmt.Sprintf(`{{ define %q }}`, name) + strings.Repeat(fmt.Sprintf(`{{ template %q }}`, string(name[0]+1)), 10) + "{{ end }}"
	}
	branching += `{{ define "f" }}{{ end }}`
	for text, want := range map[string]string{
		"{{ repeat 1000000000 \"x\" }}":                    "repeat: the templates of the message read and make more than 4 MiB together",
		"{{ until 1000000000 }}":                           "until: the templates of the message read and make more than 4 MiB together",
		"{{ untilStep 0 2000000000 1 }}":                   "untilStep: the templates of the message read and make more than 4 MiB together",
		"{{ seq 1 1 2000000000 }}":                         "seq: the templates of the message read and make more than 4 MiB together",
		"{{ range 100000 }}{{ end }}":                      "its loops take more than 10000 rounds",
		"{{ range 200 }}{{ range 200 }}{{ end }}{{ end }}": "its loops take more than 10000 rounds",
		branching:                             "its loops take more than 10000 rounds",
		"{{ range 9000 }}0123456789{{ end }}": "the text is longer than 65536 bytes",
		big:                                   "print: the templates of the message read and make more than 4 MiB",
		`{{ $l := list 1 2 3 4 }}` + strings.Repeat("{{ $l = concat $l $l }}", 30):                         "concat: the templates of the message read and make more than 4 MiB",
		`{{ $d := dict "a" 1 }}` + strings.Repeat(`{{ $d = dict "a" $d "b" $d "c" $d }}`, 30) + "{{ $d }}": "the templates of the message read and make more than 4 MiB",
		`{{ replace "a" (repeat 60000 "b") (repeat 60000 "a") }}`:                                          "replace: the templates of the message read and make more than 4 MiB together",
		`{{ regexReplaceAll "a" (repeat 60000 "a") (repeat 60000 "b") }}`:                                  "regexReplaceAll: the templates of the message read and make more than 4 MiB together",
	} {
		parsed, err := compileText(text, mrkdwn)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := execute(context.Background(), parsed)
		var failed *EvalError
		if !errors.As(err, &failed) || failed.Place != "spec.message.text" || !strings.Contains(failed.Message, want) {
			t.Errorf("%.60s fails with %v, want %q", text, err, want)
		}
		if !strings.HasSuffix(got, "(spec.message.text can't be shown)") {
			t.Errorf("%.60s leaves %.100q", text, got)
		}
	}
}

func TestTemplateEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	parsed, err := compileText("{{ range 5000 }}{{ end }}", mrkdwn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := execute(ctx, parsed); err == nil || !strings.Contains(err.Error(), "takes too long") {
		t.Errorf("ends with %v", err)
	}
}

// Whatever a template says, it ends, makes no more than it may, and what it
// inserts can't page anybody.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"{{ .object.metadata.evil }}", "{{ range $i, $x := .object.metadata.tags }}{{ $i }}{{ $x }}{{ else }}none{{ end }}",
		`{{ define "x" }}{{ . }}{{ end }}{{ template "x" .labels }}`, `{{ with $x := .object.status }}{{ $x.replicas | int | add 1 }}{{ end }}`,
		`{{ block "y" . }}{{ .state | upper }}{{ end }}`, "{{ range until 3 }}{{ break }}{{ end }}", `{{ .labels | toJson | fromJson | raw }}`,
		`{{ $x := index .labels "a" }}{{ upper $x }}{{ len .x.y }}`, `{{ if gt (len .x) 1 }}{{ end }}{{ (index .object "metadata").tags.z }}`, `{{ ($x := 1) }}{{ $x }}`,
		`{{ printf "%v%d" .x (.y | upper) }}`, "{{ range .state }}{{ else }}{{ . }}{{ end }}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10240 {
			return
		}
		parsed, err := compileText(text, mrkdwn)
		if err != nil {
			var failed *CompileError
			if !errors.As(err, &failed) || !strings.HasPrefix(failed.Message, "spec.message.text") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		got, _ := execute(ctx, parsed)
		if len(got) > maxOutput+100 {
			t.Fatalf("%q makes %d bytes", text, len(got))
		}
		if strings.Contains(got, "<!channel>") && !strings.Contains(text, "<") && !strings.Contains(text, "raw") && !strings.Contains(text, "safe") {
			t.Fatalf("%q inserts %q", text, got)
		}
		if again, _ := execute(ctx, parsed); again != got {
			t.Fatalf("%q makes %q and then %q", text, got, again)
		}
	})
}

func TestRender(t *testing.T) {
	instead := v1alpha1.Content{Title: "T", Text: "text", Severity: v1alpha1.SeverityError, Fields: []v1alpha1.Field{{Title: "A", Value: "b"}}}
	long := strings.Repeat("x", 400)
	for name, c := range map[string]struct {
		message *v1alpha1.AlertMessage
		want    v1alpha1.Content
	}{
		"the default":      {nil, instead},
		"a title alone":    {&v1alpha1.AlertMessage{Title: " {{ .object.metadata.name }}\n is down"}, v1alpha1.Content{Title: "web is down", Text: "text", Severity: v1alpha1.SeverityError, Fields: instead.Fields}},
		"a text of theirs": {&v1alpha1.AlertMessage{Text: "mine", Severity: v1alpha1.SeverityInfo}, v1alpha1.Content{Title: "T", Text: "mine", Severity: v1alpha1.SeverityInfo}},
		"fields": {&v1alpha1.AlertMessage{Fields: []v1alpha1.AlertField{{Title: "<", Value: "<{{ .object.metadata.evil }}", Short: true}}},
			v1alpha1.Content{Title: "T", Text: "text", Severity: v1alpha1.SeverityError, Fields: []v1alpha1.Field{{Title: "<", Value: "<&lt;!channel&gt; &amp; &lt;@U1&gt;", Short: true}}}},
		"a link": {&v1alpha1.AlertMessage{Link: &v1alpha1.AlertLink{URL: "https://x.example/{{ .object.metadata.name }}?a=1&b=2", Text: "To {{ .rule.name }}"}},
			v1alpha1.Content{Title: "T", Text: "text", Severity: v1alpha1.SeverityError, Fields: instead.Fields, Link: &v1alpha1.Link{Text: "To r", URL: "https://x.example/web?a=1&b=2"}}},
		"a link to nowhere": {&v1alpha1.AlertMessage{Link: &v1alpha1.AlertLink{URL: "{{ .object.nothing }}"}}, instead},
		"a script":          {&v1alpha1.AlertMessage{Link: &v1alpha1.AlertLink{URL: "javascript:alert(1)"}}, instead},
		"an empty title":    {&v1alpha1.AlertMessage{Title: "{{ if false }}x{{ end }}", Text: "{{ \"\" }}"}, v1alpha1.Content{Title: "T", Severity: v1alpha1.SeverityError}},
		"a long title":      {&v1alpha1.AlertMessage{Title: long}, v1alpha1.Content{Title: long[:149] + "…", Text: "text", Severity: v1alpha1.SeverityError, Fields: instead.Fields}},
	} {
		rule, err := Compile(&v1alpha1.SlackAlertSpec{Message: c.message})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := rule.Render(context.Background(), scene(), instead)
		if err != nil || !sameContent(got, c.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
}
