// Command schemas writes the JSON schemas of the kinds, for editors and
// kubeconform, from their CustomResourceDefinitions: docs/schemas/GROUP/KIND_VERSION.json.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: schemas DIRECTORY-OF-CRDS OUTPUT-DIRECTORY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

type definition struct {
	Spec struct {
		Group    string
		Names    struct{ Kind string }
		Versions []struct {
			Name   string
			Schema struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			}
		}
	}
}

func run(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no CustomResourceDefinitions in %s", from)
	}
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // a file of the repository
		if err != nil {
			return err
		}
		var d definition
		if err := yaml.Unmarshal(data, &d); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, v := range d.Spec.Versions {
			if err := write(to, d.Spec.Group, d.Spec.Names.Kind, v.Name, v.Schema.OpenAPIV3Schema); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(to, group, kind, version string, schema map[string]any) error {
	strict(schema)
	properties, _ := schema["properties"].(map[string]any)
	properties["apiVersion"] = map[string]any{"type": "string", "enum": []string{group + "/" + version}}
	properties["kind"] = map[string]any{"type": "string", "enum": []string{kind}}
	properties["metadata"] = map[string]any{"type": "object"}
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["required"] = []string{"apiVersion", "kind", "metadata", "spec"}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(schema); err != nil {
		return err
	}
	dir := filepath.Join(to, group)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a directory of the repository
		return err
	}
	return os.WriteFile(filepath.Join(dir, strings.ToLower(kind)+"_"+version+".json"), out.Bytes(), 0o644) //nolint:gosec // a file of the repository
}

// strict makes a schema of OpenAPI one of JSON Schema that refuses unknown fields,
// as the API server does when asked to validate strictly. What only the API server
// understands (x-kubernetes-…) goes.
func strict(schema map[string]any) {
	if schema["x-kubernetes-int-or-string"] == true {
		delete(schema, "type")
		schema["anyOf"] = []any{map[string]any{"type": "integer"}, map[string]any{"type": "string"}}
	}
	properties, isObject := schema["properties"].(map[string]any)
	if _, open := schema["additionalProperties"]; isObject && !open && schema["x-kubernetes-preserve-unknown-fields"] != true {
		schema["additionalProperties"] = false
	}
	for key := range schema {
		if strings.HasPrefix(key, "x-kubernetes-") {
			delete(schema, key)
		}
	}
	for _, p := range properties {
		if s, ok := p.(map[string]any); ok {
			strict(s)
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if s, ok := schema[key].(map[string]any); ok {
			strict(s)
		}
	}
}
