package message

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is one file of testdata.
type sample struct {
	Content v1alpha1.Content `json:"content"`
	Options Options          `json:"options"`
}

func samples(t testing.TB) map[string]sample {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	out := map[string]sample{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s sample
		if err := yaml.UnmarshalStrict(data, &s); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".yaml")] = s
	}
	return out
}

// Each testdata/NAME.yaml renders to NAME.json. To change them: go test ./internal/message -update.
func TestRenderGolden(t *testing.T) {
	for name, s := range samples(t) {
		t.Run(name, func(t *testing.T) {
			r := Render(s.Content, s.Options)
			checkLimits(t, s.Content, r)
			var got bytes.Buffer
			e := json.NewEncoder(&got)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(map[string]any{"message": r.Message, "notes": r.Notes}); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s differs; got\n%s", golden, got.String())
			}
		})
	}
}

// checkLimits holds the message against Slack's documented limits, written
// down anew so that a wrong constant shows.
func checkLimits(t testing.TB, c v1alpha1.Content, r Rendered) {
	t.Helper()
	m := r.Message
	if n := utf8.RuneCountInString(m.Text); n > 4000 {
		t.Errorf("text of %d characters can't be edited", n)
	}
	if m.Text == "" && m.Markdown == "" && len(m.Blocks) == 0 && len(m.Attachments) == 0 {
		t.Error("Slack answers no_text")
	}
	if m.Markdown != "" && (m.Text != "" || len(m.Blocks) > 0) {
		t.Error("Slack answers markdown_text_conflict")
	}
	if len(m.Blocks) > 50 {
		t.Errorf("%d blocks", len(m.Blocks))
	}
	all := append([]json.RawMessage{}, m.Blocks...)
	for i, raw := range m.Attachments {
		if i == len(m.Attachments)-len(c.Attachments) {
			break // the user's own from here on
		}
		var a struct{ Blocks []json.RawMessage }
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Errorf("attachment %s: %v", raw, err)
		}
		all = append(all, a.Blocks...)
	}
	if len(c.Blocks) > 0 {
		return
	}
	total := 0
	for _, raw := range all {
		total += checkBlock(t, raw)
	}
	if total > 9500 {
		t.Errorf("%d characters in all blocks", total)
	}
}

func checkBlock(t testing.TB, raw json.RawMessage) int {
	t.Helper()
	type text struct{ Type, Text string }
	var b struct {
		Type     string
		Text     json.RawMessage
		Fields   []text
		Elements []text
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Errorf("block %s: %v", raw, err)
		return 0
	}
	limits := map[string]int{"section": 3000, "header": 150, "markdown": 12000}
	total := 0
	if len(b.Text) > 0 {
		var object text
		if json.Unmarshal(b.Text, &object) != nil {
			_ = json.Unmarshal(b.Text, &object.Text) // a markdown block
		}
		n := utf8.RuneCountInString(object.Text)
		if n == 0 || n > limits[b.Type] {
			t.Errorf("a %s of %d characters", b.Type, n)
		}
		total += n
	}
	if len(b.Fields) > 10 || len(b.Elements) > 10 {
		t.Errorf("%d fields, %d elements", len(b.Fields), len(b.Elements))
	}
	for _, f := range append(b.Fields, b.Elements...) {
		n := utf8.RuneCountInString(f.Text)
		if n == 0 || n > 2000 {
			t.Errorf("a field or element of %d characters", n)
		}
		total += n
	}
	return total
}

func TestRenderIsStable(t *testing.T) {
	for name, s := range samples(t) {
		a, _ := json.Marshal(Render(s.Content, s.Options))
		for range 20 {
			if b, _ := json.Marshal(Render(*s.Content.DeepCopy(), s.Options)); !bytes.Equal(a, b) {
				t.Errorf("%s: rendered differently the second time", name)
			}
		}
	}
}

// The hash depends on all that the content says.
func TestHashTellsContentsApart(t *testing.T) {
	seen := map[string]string{}
	for name, s := range samples(t) {
		if s.Options.ClusterName != "" || s.Options.DefaultSender != nil {
			continue // the same content with other options
		}
		h := Hash(s.Content)
		if other := seen[h]; other != "" {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[h] = name
	}
	a := v1alpha1.Content{Text: "x", Blocks: []v1alpha1.Block{{Raw: []byte(`{"a":1}`)}}}
	if Hash(a) != Hash(*a.DeepCopy()) {
		t.Error("the same content has two hashes")
	}
}
