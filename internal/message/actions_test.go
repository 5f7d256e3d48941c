package message

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func asks(n int) Interaction {
	i := Interaction{Button: interact.Button{Cluster: "01234567", UID: "0b0e3c1a-2b7d-4f57-9c3e-5a1f0c9d8e7f", Render: "89abcdef"}}
	for k := range n {
		i.Actions = append(i.Actions, v1alpha1.Action{Name: fmt.Sprintf("a%d", k), Text: fmt.Sprintf("Action %d", k)})
	}
	return i
}

func answered(n int) Interaction {
	i := asks(0)
	for k := range n {
		i.Answers = append(i.Answers, v1alpha1.Response{
			Action: "approve", Done: "approved", User: v1alpha1.ResponseUser{ID: fmt.Sprintf("U%03d", k), Name: "ada"},
			At: metav1.NewMicroTime(time.Date(2026, 11, 24, 14, 2, 11, 0, time.UTC)), ID: fmt.Sprint(k),
		})
	}
	return i
}

// types are the blocks of a message in a line, and those of its attachments in brackets.
func types(t *testing.T, m slack.Message) string {
	t.Helper()
	var out []string
	of := func(blocks []json.RawMessage) (types []string) {
		for _, raw := range blocks {
			var b struct{ Type string }
			if err := json.Unmarshal(raw, &b); err != nil {
				t.Fatal(err)
			}
			types = append(types, b.Type)
		}
		return types
	}
	out = append(out, of(m.Blocks)...)
	for _, raw := range m.Attachments {
		var a struct{ Blocks []json.RawMessage }
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		out = append(out, "["+strings.Join(of(a.Blocks), " ")+"]")
	}
	return strings.Join(out, " ")
}

// Buttons stand below what is said and above the footer, whatever form that has.
func TestWhereButtonsStand(t *testing.T) {
	raw := rawBlock(`{"type":"divider"}`)
	tests := map[string]struct {
		content v1alpha1.Content
		options Options
		want    string
	}{
		"text":                      {v1alpha1.Content{Text: "x"}, Options{Interaction: asks(2)}, "section actions"},
		"Markdown":                  {v1alpha1.Content{Markdown: "*x*"}, Options{Interaction: asks(2)}, "markdown actions"},
		"title alone":               {v1alpha1.Content{Title: "x"}, Options{Interaction: asks(2)}, "header actions"},
		"link and footer":           {v1alpha1.Content{Text: "x", Link: &v1alpha1.Link{URL: "https://example.com"}}, Options{Interaction: asks(2), ClusterName: "prod"}, "section section actions context"},
		"coloured":                  {v1alpha1.Content{Title: "x", Text: "y", Severity: v1alpha1.SeverityError}, Options{Interaction: asks(2), ClusterName: "prod"}, "header [section actions context]"},
		"coloured, title alone":     {v1alpha1.Content{Title: "x", Severity: v1alpha1.SeverityError}, Options{Interaction: asks(2)}, "header [context actions]"},
		"coloured Markdown":         {v1alpha1.Content{Markdown: "x", Severity: v1alpha1.SeverityError}, Options{Interaction: asks(2)}, "markdown actions [context]"},
		"blocks":                    {v1alpha1.Content{Blocks: []v1alpha1.Block{raw, raw}}, Options{Interaction: asks(2)}, "divider divider actions"},
		"attachments":               {v1alpha1.Content{Attachments: []v1alpha1.RawObject{rawObject(`{"text":"x"}`)}}, Options{Interaction: asks(2)}, "actions []"},
		"two rows":                  {v1alpha1.Content{Text: "x"}, Options{Interaction: asks(6)}, "section actions actions"},
		"answers":                   {v1alpha1.Content{Text: "x"}, Options{Interaction: answered(1)}, "section context"},
		"answers and buttons":       {v1alpha1.Content{Text: "x"}, Options{Interaction: Interaction{Actions: asks(1).Actions, Button: asks(0).Button, Answers: answered(1).Answers}}, "section context actions"},
		"a webhook has none":        {v1alpha1.Content{Text: "x", Title: "y"}, Options{Interaction: Interaction{Actions: asks(1).Actions, Answers: answered(1).Answers}, Webhook: true}, "header section"},
		"a webhook's text as it is": {v1alpha1.Content{Text: "x"}, Options{Interaction: asks(1), Webhook: true}, ""},
		"nobody may be paged":       {v1alpha1.Content{Text: "x", Severity: v1alpha1.SeverityError}, Options{Interaction: asks(1), Paging: PageNobody}, "[section actions]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := types(t, Render(test.content, test.options).Message); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	t.Run("room is made for them", func(t *testing.T) {
		r := Render(v1alpha1.Content{Blocks: make50(raw)}, Options{Interaction: asks(10), ClusterName: "prod"})
		if got := types(t, r.Message); len(r.Message.Blocks) != 50 || !strings.HasSuffix(got, "divider actions actions context") || len(r.Notes) != 1 {
			t.Errorf("%d blocks ending with %q, notes %q", len(r.Message.Blocks), got, r.Notes)
		}
	})
}

func make50(b v1alpha1.Block) (out []v1alpha1.Block) {
	for range 50 {
		out = append(out, b)
	}
	return out
}

// shownOf are the blocks below a text.
func shownOf(t *testing.T, i Interaction, paging Paging) string {
	t.Helper()
	var out strings.Builder
	for _, raw := range Render(v1alpha1.Content{Text: "x"}, Options{Interaction: i, Paging: paging}).Message.Blocks[1:] {
		out.WriteString(string(raw) + "\n")
	}
	return out.String()
}

func TestButtonsAsSlackTakesThem(t *testing.T) {
	with := func(a v1alpha1.Action) Interaction {
		i := asks(0)
		i.Actions = []v1alpha1.Action{a}
		return i
	}
	long := strings.Repeat("ä&", 150)
	tests := map[string]struct {
		action v1alpha1.Action
		want   string
	}{
		"a button": {v1alpha1.Action{Name: "approve", Text: "Approve"},
			`{"type":"button","action_id":"sn:approve","text":{"type":"plain_text","text":"Approve","emoji":true}}`},
		"with style": {v1alpha1.Action{Name: "approve", Text: "Approve", Style: v1alpha1.ActionPrimary},
			`{"type":"button","action_id":"sn:approve","text":{"type":"plain_text","text":"Approve","emoji":true},"style":"primary"}`},
		"that asks again": {v1alpha1.Action{Name: "reject", Text: "Reject", Style: v1alpha1.ActionDanger, Confirm: "Stop <it>?"},
			`{"type":"button","action_id":"sn:reject","text":{"type":"plain_text","text":"Reject","emoji":true},"style":"danger","confirm":{"title":{"type":"plain_text","text":"Reject","emoji":true},"text":{"type":"plain_text","text":"Stop &lt;it&gt;?","emoji":true},"confirm":{"type":"plain_text","text":"Reject","emoji":true},"deny":{"type":"plain_text","text":"Cancel","emoji":true},"style":"danger"}}`},
		"a menu": {v1alpha1.Action{Name: "delay", Text: "Later", Options: []v1alpha1.ActionOption{{Text: "1 hour", Value: "1h"}}},
			`{"type":"static_select","action_id":"sn:delay","placeholder":{"type":"plain_text","text":"Later","emoji":true},"options":[{"text":{"type":"plain_text","text":"1 hour","emoji":true},"value":"1h"}]}`},
		"whose value reads like a mention": {v1alpha1.Action{Name: "a", Text: "A", Options: []v1alpha1.ActionOption{{Text: "<!here>", Value: "<!here>"}}},
			`{"type":"static_select","action_id":"sn:a","placeholder":{"type":"plain_text","text":"A","emoji":true},"options":[{"text":{"type":"plain_text","text":"&lt;!here&gt;","emoji":true},"value":"<!here>"}]}`},
		"a blank text": {v1alpha1.Action{Name: "go", Text: " \t"},
			`{"type":"button","action_id":"sn:go","text":{"type":"plain_text","text":"go","emoji":true}}`},
		"a text that is too long when it is escaped": {v1alpha1.Action{Name: "go", Text: strings.Repeat("&", 20)},
			`{"type":"button","action_id":"sn:go","text":{"type":"plain_text","text":"` + strings.Repeat("&amp;", 14) + `…","emoji":true}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := `{"type":"actions","block_id":"sn1:01234567:0b0e3c1a-2b7d-4f57-9c3e-5a1f0c9d8e7f:89abcdef","elements":[` + test.want + "]}\n"
			for _, paging := range []Paging{PageAll, PageUsers, PageNobody} {
				if got := shownOf(t, with(test.action), paging); got != want {
					t.Errorf("got\n%s want\n%s", got, want)
				}
			}
		})
	}
	t.Run("limits", func(t *testing.T) {
		var block actionsBlock
		i := with(v1alpha1.Action{Name: "a", Text: long, Confirm: long + long, Options: []v1alpha1.ActionOption{{Text: long, Value: "v"}}})
		if err := json.Unmarshal([]byte(shownOf(t, i, PageAll)), &block); err != nil {
			t.Fatal(err)
		}
		var m menu
		data, _ := json.Marshal(block.Elements[0])
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string][2]int{
			"placeholder": {utf8.RuneCountInString(m.Placeholder.Text), 150}, "option": {utf8.RuneCountInString(m.Options[0].Text.Text), 75},
			"title": {utf8.RuneCountInString(m.Confirm.Title.Text), 100}, "text": {utf8.RuneCountInString(m.Confirm.Text.Text), 300},
			"confirm": {utf8.RuneCountInString(m.Confirm.Confirm.Text), 30}, "deny": {utf8.RuneCountInString(m.Confirm.Deny.Text), 30},
		} {
			if got[0] == 0 || got[0] > got[1] {
				t.Errorf("%s has %d characters, of which Slack takes %d", what, got[0], got[1])
			}
		}
	})
	t.Run("each row has a block_id of its own", func(t *testing.T) {
		got := shownOf(t, asks(10), PageAll)
		if !strings.Contains(got, `:89abcdef"`) || !strings.Contains(got, `:89abcdef:1"`) || strings.Contains(got, `:89abcdef:2"`) {
			t.Error(got)
		}
	})
}

func TestVisibleAnswers(t *testing.T) {
	at := "<!date^1795528931^{time}|14:02 UTC>"
	line := func(text string) string { return `"text":"` + text }
	named := func(name, done string) Interaction {
		i := answered(1)
		i.Answers[0].User.Name, i.Answers[0].Done = name, done
		return i
	}
	expired := func(i Interaction) Interaction {
		i.Expired = true
		return i
	}
	tests := map[string]struct {
		i      Interaction
		paging Paging
		want   string
	}{
		"one":                         {i: answered(1), want: line("✓ approved by <@U000>, " + at + `"`)},
		"where nobody may be paged":   {i: answered(1), paging: PageNobody, want: line("✓ approved by @ada, " + at + `"`)},
		"a name that mentions":        {i: named("<!channel> *x*", "approved"), paging: PageNobody, want: line("✓ approved by @&lt;!channel&gt; ")},
		"words that mention":          {i: named("ada", "<!channel>\n<@U1>"), want: line("✓ &lt;!channel&gt; &lt;@U1&gt; by <@U000>, ")},
		"words that are not recorded": {i: named("ada", ""), want: line("✓ approve by <@U000>")},
		"the last ten":                {i: answered(12), want: line(`2 earlier answers\n✓ approved by <@U002>, `)},
		"nobody in time":              {i: expired(asks(0)), want: line(":hourglass: nobody answered in time")},
		"over":                        {i: expired(answered(1)), want: at + `\n:hourglass: the time to answer is over`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := shownOf(t, test.i, test.paging); !strings.Contains(got, test.want) {
				t.Errorf("got %s want %s", got, test.want)
			}
		})
	}
}

// The hash changes with what people see, and with nothing else, so that no message
// is edited for ever.
func TestHashWith(t *testing.T) {
	content := v1alpha1.Content{Text: "x"}
	base := func() Interaction {
		i := asks(2)
		i.Answers = answered(1).Answers
		return i
	}
	tests := map[string]struct {
		change func(*Interaction)
		same   bool
	}{
		"the cluster":               {func(i *Interaction) { i.Button.Cluster = "76543210" }, true},
		"the last render":           {func(i *Interaction) { i.Button.Render = "00000000" }, true},
		"who may press":             {func(i *Interaction) { i.Actions[0].Allowed = &v1alpha1.AllowedPeople{Everyone: true} }, true},
		"what it will be called":    {func(i *Interaction) { i.Actions[0].Done = "done" }, true},
		"what allowed an answer":    {func(i *Interaction) { i.Answers[0].AllowedBy = "everyone" }, true},
		"the name of who answered":  {func(i *Interaction) { i.Answers[0].User.Name = "eve" }, true},
		"a silence that came of it": {func(i *Interaction) { i.Answers[0].Silence = &v1alpha1.SilenceResult{State: v1alpha1.SilenceActive} }, true},
		"the object":                {func(i *Interaction) { i.Button.UID = "1b0e3c1a-2b7d-4f57-9c3e-5a1f0c9d8e7f" }, false},
		"a text":                    {func(i *Interaction) { i.Actions[0].Text = "y" }, false},
		"an action less":            {func(i *Interaction) { i.Actions = i.Actions[:1] }, false},
		"an answer more":            {func(i *Interaction) { i.Answers = answered(2).Answers }, false},
		"one of many answers more":  {func(i *Interaction) { i.Answers = answered(30).Answers }, false},
		"the end":                   {func(i *Interaction) { i.Expired = true }, false},
	}
	want := HashWith(content, base())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			i := base()
			test.change(&i)
			if got := HashWith(content, i); (got == want) != test.same {
				t.Errorf("%s beside %s", got, want)
			}
		})
	}
	if HashWith(content, asks(0)) != Hash(content) {
		t.Error("a message without buttons and answers has another hash than before there were any")
	}
	if a, b := HashWith(content, asks(1)), HashWith(content, asks(2)); a[:16] != b[:16] || a[:16] != Hash(content) {
		t.Errorf("%s and %s do not tell that the content is the same", a, b)
	}
}
