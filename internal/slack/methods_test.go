package slack

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Whatever method is added is one of Methods, so that its metrics exist from the
// start.
func TestMethodsAreAll(t *testing.T) {
	code, err := os.ReadFile("port.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := regexp.MustCompile(`(?m)^\tMethod[A-Za-z]+ += "([A-Za-z.]+)"`).FindAllSubmatch(code, -1)
	if len(constants) < 20 {
		t.Fatalf("port.go has %d methods, want at least 20: are they still constants named Method…?", len(constants))
	}
	for _, m := range constants {
		if !slices.Contains(Methods, string(m[1])) {
			t.Errorf("%s is not one of Methods", m[1])
		}
	}
}
