package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// ticksPerSecond of /proc/PID/stat, which Linux fixes for programs.
const ticksPerSecond = 100

// cpuOf a process since its start.
func cpuOf(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name in parentheses may hold spaces.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// memory of a process, in MiB, and its executable in MB.
type memory struct{ resident, own, file, executable float64 }

var memoryLine = regexp.MustCompile(`(VmRSS|RssAnon|RssFile):\s+(\d+) kB`)

func memoryOf(pid int) memory {
	m := memory{}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m
	}
	for _, found := range memoryLine.FindAllSubmatch(data, -1) {
		kib, _ := strconv.Atoi(string(found[2]))
		switch mib := float64(kib) / 1024; string(found[1]) {
		case "VmRSS":
			m.resident = mib
		case "RssAnon":
			m.own = mib
		case "RssFile":
			m.file = mib
		}
	}
	if file, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid)); err == nil {
		m.executable = float64(file.Size()) / 1e6
	}
	return m
}

// residentOf a process in MiB.
func residentOf(pid int) float64 { return memoryOf(pid).resident }

// alertmanager starts an Alertmanager with a configuration.
func (b *bench) alertmanager(address, config string) (*exec.Cmd, error) {
	dir, err := os.MkdirTemp(b.env.Dir, "alertmanager")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	//nolint:gosec // built by the Makefile
	cmd := exec.Command(filepath.Join("bin", "alertmanager"), "--config.file="+file, "--storage.path="+dir,
		"--web.listen-address="+address, "--cluster.listen-address=", "--log.level=error")
	return cmd, devcluster.Spawn(cmd)
}

// startRaw runs the bare client as a process of its own.
func (b *bench) startRaw(namespace string) (*exec.Cmd, error) {
	kubeconfig := filepath.Join(b.env.Dir, "raw.kubeconfig")
	if err := devcluster.WriteKubeconfig(kubeconfig, b.env.Cluster.AdminConfig()); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "raw", kubeconfig, b.env.Slack, namespace) //nolint:gosec // ourselves
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := devcluster.Spawn(cmd); err != nil {
		return nil, err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	return cmd, err
}

func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
}

// statusWrites of SlackNotifications that the API server has taken.
func (b *bench) statusWrites() (int, error) {
	data, err := b.apiMetrics()
	if err != nil {
		return 0, err
	}
	return sumOf(data, "apiserver_request_total", `resource="slacknotifications"`, `subresource="status"`), nil
}

// sumOf the counters of a name with all of the labels.
func sumOf(data []byte, name string, labels ...string) int {
	total := 0.0
	for line := range strings.SplitSeq(string(data), "\n") {
		if !strings.HasPrefix(line, name+"{") {
			continue
		}
		matches := !strings.Contains(line, `verb="GET"`) && !strings.Contains(line, `verb="LIST"`) && !strings.Contains(line, `verb="WATCH"`)
		for _, label := range labels {
			matches = matches && strings.Contains(line, label)
		}
		if matches {
			value, _ := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			total += value
		}
	}
	return int(total)
}

func secretOf(ns, name, value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, StringData: map[string]string{"token": value}}
}

// profileAddress of the operator's profiles, with BENCH_PROFILE.
const profileAddress = "127.0.0.1:16060"

// writeProfile writes 10 seconds of the operator's CPU to the file that
// BENCH_PROFILE names.
func writeProfile(file string) {
	data, err := harness.Fetch("http://" + profileAddress + "/debug/pprof/profile?seconds=10")
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
	}
}

// heapOf is what an operator's heap holds after a garbage collection, in MiB; the
// profile of it is written to a file, if one is named.
func heapOf(address, file string) (float64, error) {
	url := "http://" + address + "/debug/pprof/heap?gc=1"
	if file != "" {
		data, err := harness.Fetch(url)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return 0, err
		}
	}
	data, err := harness.Fetch(url + "&debug=1")
	if err != nil {
		return 0, err
	}
	_, line, found := strings.Cut(string(data), "# HeapAlloc = ")
	if !found {
		return 0, fmt.Errorf("the heap's profile does not say how large it is")
	}
	bytes, err := strconv.ParseFloat(line[:strings.IndexByte(line, '\n')], 64)
	return bytes / (1 << 20), err
}
