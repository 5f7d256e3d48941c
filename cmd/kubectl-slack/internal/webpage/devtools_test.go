package webpage

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// browsers by the names of their programs.
var browsers = []string{"chromium", "chromium-browser", "google-chrome"}

// patience with a browser, on a machine that may be busy.
const patience = 2 * time.Minute

// tab of a headless browser, driven by its DevTools protocol
// (chromedevtools.github.io/devtools-protocol).
type tab struct {
	conn *websocket.Conn
	last int
	urls []string
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
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir="+home,
		"--proxy-server="+proxy, "--proxy-bypass-list=<-loopback>", "--remote-debugging-port=0", "about:blank")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	out := &tab{}
	address := awaitTab(t, filepath.Join(home, "DevToolsActivePort"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, address, nil) //nolint:bodyclose // the library closes it
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	out.conn = conn
	out.call(t, "Network.enable", nil, nil)
	out.call(t, "Page.enable", nil, nil)
	return out
}

// awaitTab waits until the browser has written its port, and returns the address of
// its tab.
func awaitTab(t *testing.T, portFile string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		data, err := os.ReadFile(portFile)
		if err != nil {
			continue
		}
		port, _, _ := strings.Cut(string(data), "\n")
		resp, err := http.Get("http://127.0.0.1:" + port + "/json/list")
		if err != nil {
			continue
		}
		var targets []struct {
			Type    string `json:"type"`
			Address string `json:"webSocketDebuggerUrl"`
		}
		err = json.NewDecoder(resp.Body).Decode(&targets)
		_ = resp.Body.Close()
		for _, target := range targets {
			if err == nil && target.Type == "page" {
				return target.Address
			}
		}
	}
	t.Fatal("the browser does not start")
	return ""
}

// call calls a method, and notes what the page asks for meanwhile.
func (b *tab) call(t *testing.T, method string, params, result any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b.last++
	if err := wsjson.Write(ctx, b.conn, map[string]any{"id": b.last, "method": method, "params": params}); err != nil {
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
		if err := wsjson.Read(ctx, b.conn, &m); err != nil {
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
	for deadline := time.Now().Add(patience); b.text(t, `document.documentElement?.dataset.ready || ""`) != "yes"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
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
