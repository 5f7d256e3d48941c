package alerting

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func sameContent(a, b v1alpha1.Content) bool { return reflect.DeepEqual(a, b) }

func read(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func objectRule(when string, groupBy ...string) *v1alpha1.SlackAlertSpec {
	return &v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Objects: &v1alpha1.ObjectsSource{When: when}}, GroupBy: groupBy}
}

func TestHolds(t *testing.T) {
	object := read(t, `{metadata: {name: web, creationTimestamp: "2026-01-01T00:00:00Z", labels: {app: a}}, spec: {replicas: 3, cpu: 500m}, status: {conditions: [{type: Ready, status: "False"}]}}`)
	old := read(t, `{spec: {replicas: 2}}`)
	for when, want := range map[string]string{
		"object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'False')":                                  "yes",
		"object.status.conditions.exists(c, c.type == 'Other')":                                                         "no",
		"object.status.nothing == 1":                                                                                    "missing",
		"object.?status.?nothing.orValue(0) == 1":                                                                       "no",
		"has(object.status.nothing)":                                                                                    "no",
		"oldObject != null && object.spec.replicas > oldObject.spec.replicas":                                           "yes",
		"object.spec.replicas > 2.5":                                                                                    "yes",
		"quantity(object.spec.cpu).isLessThan(quantity('1'))":                                                           "yes",
		"timestamp(object.metadata.creationTimestamp) < timestamp('2026-01-02T00:00:00Z')":                              "yes",
		"object.metadata.name.matches('^w.b$') && 'a' in object.metadata.labels.map(k, object.metadata.labels[k])":      "yes",
		"object.metadata.name > 5":                                                                                      "error",
		"object.metadata.name":                                                                                          "error",
		"['a','b'].all(x, ['a','b'].all(y, object.metadata.labels.all(z, true)))":                                       "yes",
		"lists.range(1000).all(x, lists.range(1000).all(y, x + y > -1))":                                                "error",
		"object.metadata.name.replace('e', 'o') == 'wob' && ['a', 'b'].join('-') == 'a-b' && '%s'.format(['x']) == 'x'": "yes",
		"object.metadata.name.find('[a-e]+') == 'eb' && object.metadata.name.findAll('.', 2) == ['w', 'e']":             "yes",
		"object.metadata.name.matches('we' + 'b') && !matches(object.metadata.name, 'x')":                               "yes",
		"object.metadata.name.matches(object.metadata.name + '(')":                                                      "error",
		"object.metadata.name.matches('a{1000}' + 'a')":                                                                 "error",
	} {
		rule, err := Compile(objectRule(when))
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		holds, err := rule.Holds(context.Background(), ObjectVars(object, old))
		got := "no"
		var failed *EvalError
		switch {
		case errors.As(err, &failed) && failed.Missing:
			got = "missing"
		case err != nil:
			got = "error"
		case holds:
			got = "yes"
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", when, got, err, want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		spec   *v1alpha1.SlackAlertSpec
		reason string
		says   string
	}{
		{objectRule("object.\nx ++"), v1alpha1.ReasonInvalidExpression, "spec.source.objects.when, line 2, column 4: Syntax error: "},
		{objectRule("event.count > 1"), v1alpha1.ReasonInvalidExpression, "spec.source.objects.when, line 1, column 1: undeclared reference to 'event'"},
		{objectRule("'a'"), v1alpha1.ReasonInvalidExpression, "spec.source.objects.when: the expression gives a string, and must give a bool"},
		{objectRule("true", "object.kind", "objekt"), v1alpha1.ReasonInvalidExpression, "spec.groupBy[1], line 1, column 1: undeclared reference to 'objekt'"},
		{&v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{When: "object.x"}}}, v1alpha1.ReasonInvalidExpression, "spec.source.events.when, line 1, column 1: undeclared reference to 'object'"},
		{&v1alpha1.SlackAlertSpec{GroupBy: []string{"labels.a", "event"}}, v1alpha1.ReasonInvalidExpression, "spec.groupBy[1], line 1, column 1: undeclared reference to 'event'"},
		{objectRule("object.a.all(w, object.a.all(x, object.b.all(y, object.c.all(z, w + x + y + z > 0))))"), v1alpha1.ReasonInvalidExpression,
			"spec.source.objects.when: the expression would take too long: of lists of 64 items it may cost more than 100000000"},
		{objectRule("true || " + strings.Repeat("true || ", 600) + "true"), v1alpha1.ReasonInvalidExpression,
			"spec.source.objects.when: the expression has 4812 characters: at most 4096 are taken"},
		{objectRule("object.x.matches('" + strings.Repeat("a{1000}", 50) + "')"), v1alpha1.ReasonInvalidExpression,
			`spec.source.objects.when: the pattern "a{1000}a{1000}a{1000}a{1000}a{1000}a{100" takes more than 1000 steps`},
		{objectRule("true", "object.x.find('"+strings.Repeat("a", 501)+"')"), v1alpha1.ReasonInvalidExpression, "spec.groupBy[0]: the pattern"},
		{objectRule(strings.Repeat("object.x == 1 || ", 200)+"true", strings.Repeat("object.x == 1 || ", 60)+"true", strings.Repeat("object.x == 1 || ", 60)+"true", strings.Repeat("object.x == 1 || ", 60)+"true", strings.Repeat("object.x == 1 || ", 60)+"true"), v1alpha1.ReasonInvalidExpression,
			"spec.groupBy[3]: the expressions of the rule have more than 2000 parts together"},
		{&v1alpha1.SlackAlertSpec{Message: &v1alpha1.AlertMessage{Title: strings.Repeat("{{.}}", 200), Text: strings.Repeat("{{.}}", 1000)}}, v1alpha1.ReasonInvalidTemplate,
			"spec.message.text: the templates of the message have more than 2000 parts together"},
		{objectRule("object.x.matches('(')"), v1alpha1.ReasonInvalidExpression, `spec.source.objects.when: the pattern "(" is no regular expression`},
		{&v1alpha1.SlackAlertSpec{Message: &v1alpha1.AlertMessage{Link: &v1alpha1.AlertLink{URL: "{{"}}}, v1alpha1.ReasonInvalidTemplate, "spec.message.link.url, line 1: unclosed action"},
		{&v1alpha1.SlackAlertSpec{Message: &v1alpha1.AlertMessage{Fields: []v1alpha1.AlertField{{Title: "a", Value: "{{ nope }}"}}}}, v1alpha1.ReasonInvalidTemplate, `spec.message.fields[0].value, line 1: function "nope" not defined`},
	} {
		_, err := Compile(c.spec)
		var failed *CompileError
		if !errors.As(err, &failed) || failed.Reason != c.reason || !strings.HasPrefix(failed.Message, c.says) {
			t.Errorf("%v, want %s: %s", err, c.reason, c.says)
		}
	}
}

func TestGroup(t *testing.T) {
	object := read(t, `{metadata: {name: web, labels: {b: "1", a: "2"}}, spec: {replicas: 3, ratio: 0.5, up: true, list: [b, a]}}`)
	for expression, want := range map[string]string{
		"object.metadata.name": "web", "object.spec.replicas": "3", "object.spec.ratio": "0.5", "object.spec.up": "true",
		"object.spec.list": `["b","a"]`, "object.metadata.labels": `{"a":"2","b":"1"}`, "object.nothing": "", "oldObject": "",
		"timestamp('2026-01-02T00:00:00Z')": "2026-01-02T00:00:00Z",
	} {
		rule, err := Compile(objectRule("true", expression))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			got, err := rule.Group(context.Background(), ObjectVars(object, nil), "instead")
			if err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("%s gives %q, %v; want %q", expression, got, err, want)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	one := KeyOf("uid", []string{"a", "b"})
	if one != KeyOf("uid", []string{"a", "b"}) || one.Text != "a b" || len(one.ID) != idLength {
		t.Errorf("%+v", one)
	}
	seen := map[string]bool{}
	for _, values := range [][]string{{"a", "b"}, {"ab"}, {"a b"}, {"b", "a"}, {"a", "b", ""}, {"", "a", "b"}, nil, {""}} {
		for _, uid := range []string{"uid", "other"} {
			seen[KeyOf(uid, values).ID] = true
		}
	}
	if len(seen) != 16 {
		t.Errorf("%d keys of 16", len(seen))
	}
	long := strings.Repeat("a-", 126) + "b"
	for name, want := range map[string]int{"short": 5, long: maxLabel} {
		if got := LabelValue(name); len(got) > want || got == "" {
			t.Errorf("the label of %s is %s", name, got)
		}
	}
	if name := IncidentName(long, one.ID, 12); len(name) > 253-len("-reminder-1000000") || strings.Contains(name, "--") {
		t.Errorf("the name %s", name)
	}
}

// Whatever an expression is, it is refused with its place, or ends.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{"object.status.conditions.exists(c, c.type == 'Ready')", "oldObject == null", "[1,2].map(x, x * 2)[5] > 1",
		"quantity('1Gi').isGreaterThan(quantity(object.spec.cpu))", "object.?a.?b.orValue([]).size() > 0", "url('https://a').getHost() == ''", "object"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10240 {
			return
		}
		rule, err := Compile(objectRule(text, text))
		if err != nil {
			var failed *CompileError
			if !errors.As(err, &failed) || !strings.HasPrefix(failed.Message, "spec.") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		vars := ObjectVars(map[string]any{"spec": map[string]any{"cpu": "1", "list": []any{int64(1)}}}, nil)
		_, _ = rule.Holds(context.Background(), vars)
		first, _ := rule.Group(context.Background(), vars)
		if again, _ := rule.Group(context.Background(), vars); !reflect.DeepEqual(first, again) {
			t.Fatalf("%q groups by %q and then by %q", text, first, again)
		}
	})
}
