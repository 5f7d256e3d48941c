package alerting

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What is missing is named in its place, whatever it is given to, and the rest
// of the text is there.
func TestWhatIsMissingIsNamed(t *testing.T) {
	const gone = "(no such field: .x.y)"
	for text, want := range map[string]string{
		"{{ .x.y }}":                                                  gone,
		`{{ index .x.y "team" }}`:                                     `(no such field: index .x.y "team")`,
		`{{ index .x.y "team" | upper }}`:                             gone,
		`{{ index .labels "team" | upper }}`:                          `(no such field: index .labels "team")`,
		`{{ upper (index .labels "team") }}`:                          `(no such field: index .labels "team")`,
		`{{ index .labels "team" | printf "by %s" }}`:                 `by (no such field: index .labels "team")`,
		"{{ len .x.y }}":                                              gone,
		"{{ .x.y | len }}":                                            gone,
		"{{ gt .x.y 3 }}":                                             gone,
		"{{ lt .x.y 3 }}":                                             gone,
		"{{ ge .x.y 3 }}":                                             gone,
		"{{ le 3 .x.y }}":                                             gone,
		"{{ slice .x.y 0 1 }}":                                        gone,
		"{{ call .x.y }}":                                             gone,
		`{{ printf "%s of %d" .state .x.y }}`:                         "firing of " + gone,
		`{{ .x.y | printf "%5.2f!" }}`:                                gone + "!",
		"{{ print .x.y }}":                                            gone,
		"{{ println .x.y }}":                                          gone + "\n",
		"{{ html .x.y }}":                                             gone,
		"{{ js .x.y }}":                                               gone,
		"{{ urlquery .x.y }}":                                         "%28no+such+field%3A+.x.y%29",
		"{{ quote .x.y }}":                                            `"` + gone + `"`,
		`{{ cat "a" .x.y }}`:                                          "a " + gone,
		"{{ and .x.y 1 }}":                                            "(no such field: and .x.y 1)",
		"{{ or .x.y .x.z }}":                                          "(no such field: or .x.y .x.z)",
		"{{ not .x.y }}":                                              "true",
		`{{ eq .x.y "a" }}`:                                           "false",
		`{{ ne .x.y "a" }}`:                                           "true",
		"{{ add .x.y 1 }}":                                            gone,
		`{{ int .x.y }}`:                                              gone,
		`{{ join "," .x.y }}`:                                         gone,
		"{{ toJson .x.y }}":                                           gone,
		`{{ .x.y | default "none" }}`:                                 "none",
		`{{ .x.y | default "none" | upper }}`:                         "NONE",
		"{{ .state.a.b }}":                                            "(no such field: .state.a.b)",
		"{{ (index .labels \"x\").a.b }}":                             `(no such field: (index .labels "x").a.b)`,
		"{{ $v := .x.y }}{{ $v }}":                                    "(no such field: $v)",
		"{{ $v := upper .x.y }}{{ $v }}":                              "(no such field: $v)",
		"{{ $v := .labels }}{{ $v.app }}{{ $v.a.b }}":                 "web(no such field: $v.a.b)",
		"{{ $v := .labels }}{{ upper $v.a }}":                         "(no such field: $v.a)",
		"{{ range .x.y }}a{{ end }}":                                  "",
		"{{ range .x.y }}a{{ else }}b{{ end }}":                       "b",
		"{{ with .x.y }}a{{ end }}":                                   "",
		"{{ with .x.y }}a{{ else }}b{{ end }}":                        "b",
		"{{ if .x.y }}a{{ else }}b{{ end }}":                          "b",
		"{{ if gt .x.y 3 }}a{{ else }}b{{ end }}":                     "b",
		"{{ if not (gt .x.y 3) }}a{{ else }}b{{ end }}":               "a",
		"{{ if or (gt .x.y 3) true }}a{{ end }}":                      "a",
		"{{ if gt (len .x.y) 0 }}a{{ else }}b{{ end }}":               "b",
		"{{ if upper .x.y }}a{{ else }}b{{ end }}":                    "b",
		"{{ if .state.a.b }}a{{ else }}b{{ end }}":                    "b",
		"{{ if contains \"a\" .x.y }}a{{ else }}b{{ end }}":           "b",
		"{{ if gt 2.5 2 }}a{{ end }}{{ if lt 1 2 }}b{{ end }}":        "ab",
		"{{ range .object.metadata.tags }}{{ upper $.x.y }}{{ end }}": strings.Repeat("(no such field: $.x.y)", 2),
		`{{ define "t" }}{{ upper .y }} {{ $ }}{{ end }}{{ template "t" .x }}`:               "(no such field: .y) (no such field: $)",
		`{{ range $k, $v := .labels }}{{ $k }}={{ $v }}{{ len $v.z }}{{ end }}`:              "app=web(no such field: $v.z)",
		"{{ $a := 1 }}{{ range .object.metadata.tags }}{{ $a = add $a 1 }}{{ end }}{{ $a }}": "3",
	} {
		t.Run(text, func(t *testing.T) {
			parsed, err := compileText("before "+text+" after {{ .cluster }}", plain)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := execute(context.Background(), parsed); err != nil || got != "before "+want+" after prod" {
				t.Errorf("gives %q, %v", got, err)
			}
		})
	}
}

// Every function: what is missing never costs the rest of the text, and never
// reads as Go's own words for it.
func TestFunctionsOfWhatIsMissing(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		t.Run(name, func(t *testing.T) {
			fn := reflect.TypeOf(functions[name].call)
			n := max(fn.NumIn(), 1)
			for _, call := range []string{
				"{{ " + name + strings.Repeat(" .x.y", n) + " }}",
				"{{ .x.y | " + name + strings.Repeat(" .x.y", n-1) + " }}",
				"{{ if " + name + strings.Repeat(" .x.y", n) + " }}{{ end }}",
			} {
				parsed, err := compileText("before "+call+" after {{ .cluster }}", mrkdwn)
				if err != nil {
					t.Fatal(err)
				}
				got, err := execute(context.Background(), parsed)
				goes := strings.Contains(got, "nil") || strings.Contains(got, "no value")
				if name == "dict" {
					goes = false // its keys are texts, whatever they are made of
				}
				if goes || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after prod") {
					t.Errorf("%s gives %q, %v", call, got, err)
				}
			}
		})
	}
}
