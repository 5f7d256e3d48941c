package devcluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child that ends with this process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// spawner starts all children. The kernel kills a child when the thread that
// made it ends (PR_SET_PDEATHSIG), so there is one thread that never does.
var spawner = make(chan func())

func init() {
	go func() {
		runtime.LockOSThread()
		for f := range spawner {
			f()
		}
	}()
}

// Command prepares a child whose output goes to a file.
func start(log, name string, args ...string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // a path of ours
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(name, args...) //nolint:gosec // a program of ours
	cmd.Stdout, cmd.Stderr = f, f
	p := &process{cmd: cmd, done: make(chan struct{})}
	if err := Spawn(cmd); err != nil {
		_ = f.Close()
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended stands in its log
		_ = f.Close()
		close(p.done)
	}()
	return p, nil
}

// Spawn starts a command as a child that is killed when this process ends,
// however it ends.
func Spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	result := make(chan error, 1)
	spawner <- func() { result <- cmd.Start() }
	return <-result
}

func (p *process) signal(s syscall.Signal) error {
	if p == nil {
		return errors.New("not running")
	}
	return p.cmd.Process.Signal(s)
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks the process to end, and makes it end after a while.
func (p *process) stop() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.kill()
	}
}

func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
}

// Tail is the end of a log, for an error.
func Tail(path string) string {
	data, err := os.ReadFile(path) //nolint:gosec // a path of ours
	if err != nil {
		return err.Error()
	}
	if len(data) > 2000 {
		data = data[len(data)-2000:]
	}
	return fmt.Sprintf("%s ends with:\n%s", path, data)
}
