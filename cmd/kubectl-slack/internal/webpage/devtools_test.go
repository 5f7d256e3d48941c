package webpage

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// browsers by the names of their programs.
var browsers = []string{"chromium", "chromium-browser", "google-chrome"}

// tab of a headless browser, driven by its DevTools protocol over a pipe
// (chromedevtools.github.io/devtools-protocol).
type tab struct {
	to      io.Writer
	from    *bufio.Reader
	session string
	last    int
	urls    []string
}

// openBrowser starts a browser, which has no way out but the proxy.
func openBrowser(t *testing.T, proxy string) *tab {
	t.Helper()
	program := ""
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			program = path
		}
	}
	if program == "" {
		t.Skip("there is no browser: apt-get install chromium")
	}
	// t.TempDir is no place for it: processes of the browser write there for a moment
	// after it has ended.
	profile, err := os.MkdirTemp("", "browser-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir="+profile,
		"--proxy-server="+proxy, "--proxy-bypass-list=<-loopback>", "--remote-debugging-pipe", "about:blank")
	// The browser reads from its file 3 and writes to its file 4.
	in, to := pipe(t)
	from, out := pipe(t)
	cmd.ExtraFiles = []*os.File{in, out}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for end := time.Now().Add(10 * time.Second); os.RemoveAll(profile) != nil && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
	})
	_ = out.Close() // so that its end is seen here
	b := &tab{to: to, from: bufio.NewReader(from)}
	var target struct {
		ID string `json:"targetId"`
	}
	b.call(t, "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.call(t, "Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	b.session = attached.Session
	b.call(t, "Network.enable", nil, nil)
	b.call(t, "Page.enable", nil, nil)
	return b
}

func pipe(t *testing.T) (from, to *os.File) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = from.Close()
		_ = to.Close()
	})
	return from, to
}

// call calls a method, and notes what the page asks for meanwhile.
func (b *tab) call(t *testing.T, method string, params, result any) {
	t.Helper()
	b.last++
	message := map[string]any{"id": b.last, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	data, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.to.Write(append(data, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		var m struct {
			ID     int             `json:"id"`
			Method string          `json:"method"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
			Params struct {
				Request struct {
					URL string `json:"url"`
				} `json:"request"`
			} `json:"params"`
		}
		data, err := b.from.ReadBytes(0)
		if err != nil {
			t.Fatal("the browser has ended: ", err)
		}
		if err := json.Unmarshal(data[:len(data)-1], &m); err != nil {
			t.Fatal(err)
		}
		if m.Method == "Network.requestWillBeSent" {
			b.urls = append(b.urls, m.Params.Request.URL)
		}
		if m.ID != b.last {
			continue
		}
		if len(m.Error) > 0 {
			t.Fatalf("%s: %s", method, m.Error)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
}

// show has a screen of a size show a page, and waits for it.
func (b *tab) show(t *testing.T, url, theme string, width, height int) {
	t.Helper()
	b.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call(t, "Page.navigate", map[string]any{"url": "about:blank"}, nil)
	b.call(t, "Page.navigate", map[string]any{"url": url + "#" + theme}, nil)
	// It is ready once its script has run, or never: the test's own time ends that.
	for b.text(t, `document.documentElement?.dataset.ready || ""`) != "yes" {
		if t.Context().Err() != nil {
			t.Fatal("the page is not ready")
		}
	}
}

func (b *tab) evaluate(t *testing.T, script string, into any) {
	t.Helper()
	var out struct {
		Result    struct{ Value json.RawMessage } `json:"result"`
		Exception json.RawMessage                 `json:"exceptionDetails"`
	}
	b.call(t, "Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &out)
	if len(out.Exception) > 0 {
		t.Fatalf("%s: %s", script, out.Exception)
	}
	if err := json.Unmarshal(out.Result.Value, into); err != nil {
		t.Fatal(err)
	}
}

func (b *tab) text(t *testing.T, script string) (out string) {
	t.Helper()
	b.evaluate(t, script, &out)
	return out
}

func (b *tab) list(t *testing.T, script string) (out []string) {
	t.Helper()
	b.evaluate(t, script, &out)
	return out
}

// picture of the whole page, a PNG in base64.
func (b *tab) picture(t *testing.T) string {
	t.Helper()
	var out struct {
		Data string `json:"data"`
	}
	b.call(t, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &out)
	return out.Data
}

// requests that the pages have made so far.
func (b *tab) requests() []string { return b.urls }
