package webpage

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// screens on which the page is looked at, in CSS pixels.
var screens = []struct {
	name          string
	width, height int
}{{"desktop", 1400, 1000}, {"phone", 390, 844}}

// outsideElements are the elements that have loaded something, and overflowing those
// that are wider than what they stand in, unless they can be scrolled.
const (
	outsideElements = `[...document.querySelectorAll("[src],[srcset],[poster],link[href],object,iframe,use,image")].map(e => e.getAttribute("src") || e.getAttribute("href") || e.tagName).filter(u => !u.startsWith("data:"))`

	overflowing = `(() => {
  const scrolled = e => e && e !== document.body && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolled(e.parentElement));
  const out = [];
  if (document.documentElement.scrollWidth > innerWidth) out.push("the page, " + document.documentElement.scrollWidth + " of " + innerWidth);
  for (const e of document.querySelectorAll("article, article *")) {
    const parent = e.parentElement.closest("article") || document.body, box = e.getBoundingClientRect();
    if (box.width && box.right > parent.getBoundingClientRect().right + 1 && !scrolled(e.parentElement)) out.push(e.tagName + "." + e.className + " " + e.textContent.slice(0, 40));
  }
  return out;
})()`
)

// A browser shows every message and each state of an alert, in light and in dark, on a
// desk and on a phone: nothing is wider than its place, and nobody is asked for
// anything. SCREENSHOTS=directory keeps what it looks like.
func TestBrowser(t *testing.T) {
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
	tab := openBrowser(t, proxy.URL)
	for name, list := range map[string][]string{
		"messages": {"firing &lt;b&gt;", "image: A picture", `class="mention`},
		"alert":    {">firing <", ">changed: ", ">reminder <", ">resolved", ">storm of ", ">Acknowledge</button>", "For every receiver of Alertmanager", "<option"},
	} {
		cards := messages(t)
		if name == "alert" {
			cards = story(t)
		}
		file := filepath.Join(t.TempDir(), name+".html")
		var page bytes.Buffer
		if err := Write(&page, "Preview", cards); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, page.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, theme := range []string{"light", "dark"} {
			for _, screen := range screens {
				t.Run(name+" "+theme+" "+screen.name, func(t *testing.T) {
					tab.show(t, "file://"+file, theme, screen.width, screen.height)
					look(t, tab, append([]string{fmt.Sprintf(`data-theme=%q`, theme), fmt.Sprintf("%d messages", len(cards))}, list...), len(cards))
					if dir := os.Getenv("SCREENSHOTS"); dir != "" {
						keep(t, tab, filepath.Join(dir, strings.Join([]string{name, theme, screen.name}, "-")+".png"))
					}
				})
			}
		}
	}
	for _, url := range tab.requests() {
		if !strings.HasPrefix(url, "file://") && !strings.HasPrefix(url, "data:") {
			t.Errorf("the page asks for %s", url)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) > 0 {
		t.Errorf("the page loads %q", asked)
	}
}

// look fails where the page lacks a text or a card, loads something, or has something
// that is too wide.
func look(t *testing.T, tab *tab, wants []string, cards int) {
	t.Helper()
	dom := tab.text(t, "document.documentElement.outerHTML")
	for _, want := range wants {
		if !strings.Contains(dom, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(dom, "<article>"); n != cards {
		t.Errorf("%d messages are shown, want %d", n, cards)
	}
	for what, script := range map[string]string{"is loaded from outside": outsideElements, "is wider than its place": overflowing} {
		for _, found := range tab.list(t, script) {
			t.Errorf("%s %s", found, what)
		}
	}
}

// keep writes what the page looks like.
func keep(t *testing.T, tab *tab, file string) {
	t.Helper()
	picture, err := base64.StdEncoding.DecodeString(tab.picture(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
}
