package footprint

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// resident pages of files, in KiB.
func resident(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(data)
	if found == nil {
		t.Skip("this kernel does not tell how many pages of files are resident")
	}
	kib, _ := strconv.Atoi(string(found[1]))
	return kib
}

// The pages of the executable are let go, and the program goes on.
func TestForgetExecutable(t *testing.T) {
	before := resident(t)
	forgetExecutable()
	if after := resident(t); after >= before {
		t.Errorf("%d KiB of files are resident, and were %d before, want less", after, before)
	}
}

func TestUnchanged(t *testing.T) {
	const kept = "Rss:  4 kB\nAnonymous:        0 kB\nVmFlags: rd mr\n"
	for _, row := range []struct {
		name, smaps string
		want        int
	}{
		{"text", "00400000-01500000 r-xp 00000000 fe:00 42                     /app/op\n" + kept, 1},
		{"constants", "00400000-01500000 r--p 00000000 fe:00 42                     /app/op\n" + kept, 1},
		{"variables", "00400000-01500000 rw-p 00000000 fe:00 42                     /app/op\n" + kept, 0},
		{"changed by a relocation", "00400000-01500000 r--p 00000000 fe:00 42                     /app/op\nAnonymous:  4 kB\n", 0},
		{"another file", "00400000-01500000 r-xp 00000000 fe:00 42                     /lib/libc.so\n" + kept, 0},
		{"no file", "00400000-01500000 r-xp 00000000 00:00 0\n" + kept, 0},
		{"the vdso", "7fff0000-7fff1000 r-xp 00000000 00:00 0                      [vdso]\n" + kept, 0},
		{"a file that was replaced", "00400000-01500000 r-xp 00000000 fe:00 42                     /app/op (deleted)\n" + kept, 0},
		{"one after another", "00400000-01500000 r-xp 00000000 fe:00 42 /app/op\n" + kept + "01500000-01600000 rw-p 00000000 fe:00 42 /app/op\n" + kept, 1},
		{"no range", "x-y r-xp 00000000 fe:00 42 /app/op\n" + kept, 0},
		{"nothing", "", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := unchanged([]byte(row.smaps), "/app/op"); len(got) != row.want {
				t.Errorf("%v, want %d", got, row.want)
			}
		})
	}
}

func FuzzUnchanged(f *testing.F) {
	f.Add([]byte("00400000-01500000 r-xp 00000000 fe:00 42 /app/op\nAnonymous: 0 kB\n"), "/app/op")
	f.Fuzz(func(t *testing.T, smaps []byte, file string) {
		for _, m := range unchanged(smaps, file) {
			if m.to <= m.from {
				t.Errorf("%v is no range", m)
			}
		}
	})
}
