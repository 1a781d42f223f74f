// The conformance kit's guest program: one part for each check, named by the first argument.
//
// A part returns "ok", or says what it found instead; further arguments are the part's.
package main

import (
	"fmt"
	"os"
	"sort"
)

var parts = map[string]func(arguments []string) string{}

// part registers a check's part; each file does so in init.
func part(name string, do func(arguments []string) string) {
	if parts[name] != nil {
		panic(name + " is registered twice")
	}
	parts[name] = do
}

func main() {
	if len(os.Args) < 2 {
		names := make([]string, 0, len(parts))
		for name := range parts {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Println(name)
		}
		return
	}
	do := parts[os.Args[1]]
	if do == nil {
		fmt.Fprintf(os.Stderr, "the kit has no part %q\n", os.Args[1])
		os.Exit(2)
	}
	fmt.Println(do(os.Args[2:]))
}
