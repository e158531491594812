// Checks dashboards against Grafana's own schema: unknown fields, missing ones, wrong types and values,
// also in the options of each panel and in its queries. Prints one line for each mistake.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	code := 0
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Printf("%s: %v\n", path, err)
			code = 1
		}
	}
	os.Exit(code)
}

func check(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	found := dashboard.Dashboard{}
	if err := some(found.UnmarshalJSONStrict(raw)); err != nil {
		return err
	}
	return some(found.Validate())
}

// The SDK returns an empty list of mistakes as an error that is not nil.
func some(err error) error {
	if err == nil || err.Error() == "" {
		return nil
	}
	return err
}
