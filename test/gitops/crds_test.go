package gitops

import (
	"os"
	"path/filepath"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// root is the way to the repository's directory.
const root = "../.."

type crd struct {
	kind   string
	schema *apiextensionsv1.JSONSchemaProps
}

// crds are the CustomResourceDefinitions of config/crd.
func crds(t *testing.T) []crd {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("config/crd/bases has %d files: %v", len(files), err)
	}
	var out []crd
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(data, &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, crd{c.Spec.Names.Kind, c.Spec.Versions[0].Schema.OpenAPIV3Schema})
	}
	return out
}

// walkSchema calls visit with the path of each property, as in
// SlackChannel.spec.webAPI.
func walkSchema(path string, s *apiextensionsv1.JSONSchemaProps, visit func(path string)) {
	for name, p := range s.Properties {
		visit(path + "." + name)
		walkSchema(path+"."+name, &p, visit)
	}
	if s.Items != nil && s.Items.Schema != nil {
		walkSchema(path, s.Items.Schema, visit)
	}
}
