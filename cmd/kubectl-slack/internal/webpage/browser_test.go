package webpage

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
)

// messages are those of the commands' own test data.
func messages(t *testing.T) []preview.Message {
	t.Helper()
	files, err := filepath.Glob("../cli/testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out []preview.Message
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range strings.Split(string(data), "\n---\n") {
			n := &v1alpha1.SlackNotification{}
			if yaml.Unmarshal([]byte(text), n) != nil || n.Kind != "SlackNotification" {
				continue
			}
			for _, via := range []preview.Via{preview.WebAPI, preview.Webhook} {
				m := preview.Of(n, nil, preview.Options{Via: via, ClusterName: "</script><script>alert(1)</script>"})
				m.Title = "firing <b>"
				out = append(out, m)
			}
		}
	}
	if len(out) < 8 {
		t.Fatalf("only %d messages", len(out))
	}
	return out
}

// outside refers to what a page would load; addresses that people may follow, and data
// that is shown as text, are none.
var outside = regexp.MustCompile(`(?i)<(script|img|link|iframe|source)[^>]*(src|href)="?https?:|@import|url\(\s*['"]?https?:`)

// The file is whole in itself, and what a message says can't end its script.
func TestFile(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, "A <title>", messages(t)); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if found := outside.FindString(text); found != "" {
		t.Errorf("the file refers to %s", found)
	}
	if n := strings.Count(text, "</script>"); n != 2 {
		t.Errorf("%d scripts end, want the data and the program", n)
	}
	if strings.Contains(text, "<title>A <title>") {
		t.Error("the title is not escaped")
	}
}

// browsers by the names of their programs.
var browsers = []string{"chromium", "chromium-browser", "google-chrome"}

// A browser shows every message, in light and in dark, and asks nobody for anything.
func TestBrowser(t *testing.T) {
	program := ""
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			program = path
		}
	}
	if program == "" {
		t.Skip("there is no browser: apt-get install chromium")
	}
	var mu sync.Mutex
	var asked []string
	// What is loaded from anywhere would come by this proxy.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !strings.Contains(r.Host, "google") && !strings.Contains(r.Host, "gvt") { // the browser's own
			asked = append(asked, r.Method+" "+r.Host+r.URL.Path)
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer proxy.Close()
	list := messages(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	var page bytes.Buffer
	if err := Write(&page, "Preview", list); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, page.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, theme := range []string{"light", "dark"} {
		t.Run(theme, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
				"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+filepath.Join(dir, theme),
				"--proxy-server="+proxy.URL, "--proxy-bypass-list=<-loopback>", "--screenshot="+filepath.Join(dir, theme+".png"), "--window-size=1400,2400",
				"--virtual-time-budget=2000", "--dump-dom", "file://"+file+"#"+theme)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, errs.String())
			}
			dom := string(out)
			for _, want := range []string{fmt.Sprintf(`data-theme=%q`, theme), `data-ready="yes"`, fmt.Sprintf("%d messages", len(list)), "firing &lt;b&gt;", "image: A picture", `class="mention`} {
				if !strings.Contains(dom, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if n := strings.Count(dom, "<article>"); n != len(list) {
				t.Errorf("%d messages are shown, want %d", n, len(list))
			}
			if info, err := os.Stat(filepath.Join(dir, theme+".png")); err == nil && os.Getenv("SCREENSHOTS") != "" && info.Size() > 0 {
				data, _ := os.ReadFile(filepath.Join(dir, theme+".png"))
				_ = os.WriteFile(filepath.Join(os.Getenv("SCREENSHOTS"), theme+".png"), data, 0o600)
			}
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) > 0 {
		t.Errorf("the page loads %q", asked)
	}
}
