package footprint

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// forgetExecutable lets go of the pages of the executable: most of those that the
// start has gone through, as to register every kind of Kubernetes', are not needed
// again, and what is comes back from the file at the next access
// (madvise(2), MADV_DONTNEED). It changes nothing where the mappings can't be read.
func forgetExecutable() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range unchanged(smaps, self) {
		// A mapping that can't be let go of stays as it is.
		_ = madvise(m)
	}
}

func madvise(m mapping) error {
	_, _, errno := syscall.Syscall(syscall.SYS_MADVISE, m.from, m.to-m.from, syscall.MADV_DONTNEED)
	if errno != 0 {
		return errno
	}
	return nil
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// unchanged are the mappings of a file in a process' smaps (proc_pid_smaps(5)) that
// are as the file is: they can't be written to, and none of their pages has become
// the process' own, as by a relocation or a debugger's breakpoint.
func unchanged(smaps []byte, file string) []mapping {
	var found []mapping
	candidate := mapping{}
	for line := range bytes.Lines(smaps) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 {
			continue
		}
		if strings.HasSuffix(fields[0], ":") {
			if fields[0] == "Anonymous:" && fields[1] == "0" && candidate.to > candidate.from {
				found = append(found, candidate)
			}
			continue
		}
		candidate = mapping{}
		if len(fields) == 6 && fields[5] == file && !strings.Contains(fields[1], "w") {
			candidate = rangeOf(fields[0])
		}
	}
	return found
}

// rangeOf reads "from-to"; the empty range when it is something else.
func rangeOf(s string) mapping {
	from, to, _ := strings.Cut(s, "-")
	a, errA := strconv.ParseUint(from, 16, strconv.IntSize)
	b, errB := strconv.ParseUint(to, 16, strconv.IntSize)
	if errA != nil || errB != nil || b < a {
		return mapping{}
	}
	return mapping{uintptr(a), uintptr(b)}
}
