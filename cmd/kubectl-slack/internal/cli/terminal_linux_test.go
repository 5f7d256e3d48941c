package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	termshow "github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/term"
)

// escapes of a terminal that choose colours.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// openTerminal is a terminal of so many columns, and what is to be read from it
// (man 4 pts).
func openTerminal(t *testing.T, columns uint16) (terminal *os.File, screen func() string) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this machine has no pseudoterminals: ", err)
	}
	t.Cleanup(func() { _ = control.Close() })
	fd := int(control.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = errors.Join(unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0), unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: 24}))
	}
	if err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		data, _ := io.ReadAll(control) // ends by an error once nobody has the terminal open
		read <- string(data)
	}()
	return terminal, func() string {
		_ = terminal.Close()
		return strings.ReplaceAll(<-read, "\r\n", "\n")
	}
}

// A terminal has colours and its own width, unless it is told not to; a file or a pipe
// has neither.
func TestTerminal(t *testing.T) {
	rows := []struct {
		name     string
		terminal bool
		columns  uint16
		environ  map[string]string
		colours  bool
		width    int
	}{
		{name: "a terminal", terminal: true, columns: 60, colours: true, width: 60},
		{name: "a wide terminal", terminal: true, columns: 300, colours: true, width: 100},
		{name: "NO_COLOR", terminal: true, columns: 60, environ: map[string]string{"NO_COLOR": "1"}, width: 60},
		{name: "a dumb terminal", terminal: true, columns: 60, environ: map[string]string{"TERM": "dumb"}, width: 60},
		{name: "no terminal", width: termshow.DefaultWidth},
		{name: "no terminal, with NO_COLOR", environ: map[string]string{"NO_COLOR": "1"}, width: termshow.DefaultWidth},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("TERM", "xterm-256color")
			t.Setenv("NO_COLOR", "")
			for name, value := range row.environ {
				t.Setenv(name, value)
			}
			var text string
			if row.terminal {
				terminal, screen := openTerminal(t, row.columns)
				code := onTerminal(t, terminal, terminal, "preview", "-f", "testdata/rich.yaml")
				if text = screen(); code != 0 {
					t.Errorf("exit code %d:\n%s", code, text)
				}
			} else {
				text = call(t, "", "preview", "-f", "testdata/rich.yaml").out
			}
			if colours := strings.Contains(text, "\x1b["); colours != row.colours {
				t.Errorf("colours %v, want %v:\n%q", colours, row.colours, text)
			}
			widest := 0
			for line := range strings.SplitSeq(text, "\n") {
				if strings.Contains(line, ", through SlackChannel") {
					continue // a name is not broken over two lines
				}
				widest = max(widest, len([]rune(escapes.ReplaceAllString(line, ""))))
			}
			if widest > row.width || widest < row.width*3/4 {
				t.Errorf("the widest line has %d columns, want nearly %d", widest, row.width)
			}
		})
	}
}

// What is to be sent is not waited for at a terminal.
func TestNothingIsReadFromATerminal(t *testing.T) {
	terminal, screen := openTerminal(t, 80)
	var out bytes.Buffer
	code := onTerminal(t, terminal, &out, "send", "--channel-ref", "alerts", "--dry-run=client")
	if text := screen(); code != 1 || !strings.Contains(text+out.String(), "there is nothing to send") {
		t.Errorf("exit code %d: %s%s", code, text, out.String())
	}
}

// onTerminal runs a command whose input and errors are the terminal's.
func onTerminal(t *testing.T, terminal *os.File, out io.Writer, args ...string) int {
	t.Helper()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	a := &app{
		IOStreams: genericiooptions.IOStreams{In: terminal, Out: out, ErrOut: terminal},
		flags:     genericclioptions.NewConfigFlags(true), name: "kubectl slack", version: "v1.2.3",
		now: func() time.Time { return start },
	}
	root := a.root()
	root.SetArgs(args)
	return a.finish(root.ExecuteContext(t.Context()))
}
