package harness

import (
	"bytes"
	"fmt"
	"os"
)

// Peak is the most memory that the process has had since its start, or since
// ResetPeak, in MiB. It fails when the process has ended.
func (o *Operator) Peak() (mib int, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.Cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var kib int
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		if _, err := fmt.Sscanf(string(line), "VmHWM: %d kB", &kib); err == nil {
			return kib >> 10, nil
		}
	}
	return 0, fmt.Errorf("process %d has no memory any more; its log is %s", o.Cmd.Process.Pid, o.Log)
}

// ResetPeak has Peak begin anew, with what the process has now.
func (o *Operator) ResetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", o.Cmd.Process.Pid), []byte("5"), 0) // proc(5)
}
