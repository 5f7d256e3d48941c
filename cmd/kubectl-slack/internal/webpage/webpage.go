// Package webpage makes one HTML file that shows messages as people would see them
// in Slack, by the page of the simulated Slack. It refers to nothing outside itself.
package webpage

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"strings"
	"text/template"

	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

//go:embed page.html
var page string

//go:embed preview.css
var css string

//go:embed preview.js
var js string

var parsed = template.Must(template.New("page").Parse(page))

// Write writes the file. title is plain text.
func Write(w io.Writer, title string, messages []preview.Message) error {
	// What stands in it can't end the element: "<" is written as \u003c.
	data, err := json.Marshal(messages)
	if err != nil {
		return err
	}
	var sheet, script strings.Builder
	for name, into := range map[string]*strings.Builder{"style.css": &sheet, "text.js": &script} {
		if err := add(into, name); err != nil {
			return err
		}
	}
	for _, name := range []string{"elements.js", "blocks.js"} {
		if err := add(&script, name); err != nil {
			return err
		}
	}
	sheet.WriteString(css)
	script.WriteString(js)
	sum := sha256.Sum256([]byte(script.String()))
	return parsed.Execute(w, map[string]string{
		"Title": template.HTMLEscapeString(title), "Style": sheet.String(), "Data": string(data), "Script": script.String(),
		"Hash": "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	})
}

// add appends a file of the page.
func add(into *strings.Builder, name string) error {
	data, err := fs.ReadFile(slacksim.Page(), name)
	into.Write(data)
	into.WriteByte('\n')
	return err
}
