// Command goreleaser reads files as GoReleaser reads its configuration, and fails
// at fields and types that it does not know.
package main

import (
	"fmt"
	"os"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: goreleaser FILE...")
		os.Exit(2)
	}
	for _, file := range os.Args[1:] {
		if _, err := config.Load(file); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			os.Exit(1)
		}
	}
}
