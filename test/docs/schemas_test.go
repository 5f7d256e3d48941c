package docs

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"

	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// accepts reports what the schema of a kind in docs/schemas says of an object.
func accepts(t *testing.T, kind string, object map[string]any) error {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "docs/schemas/slack.notify.dev", strings.ToLower(kind)+"_v1alpha1.json"))
	if err != nil {
		t.Fatal(err)
	}
	schema := &spec.Schema{}
	if err := json.Unmarshal(data, schema); err != nil {
		t.Fatal(err)
	}
	return validate.NewSchemaValidator(schema, nil, "", strfmt.Default).Validate(object).AsError()
}

var schemaLine = regexp.MustCompile(`^# yaml-language-server: \$schema=(\S+)\n`)

// Each sample of one kind names the schema that an editor checks it by, and is
// valid by it; a field with a typing error is not.
func TestSchemas(t *testing.T) {
	named := 0
	err := filepath.WalkDir(filepath.Join(root, "config/samples"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		objects, err := devcluster.Decode(data)
		if err != nil {
			return err
		}
		kinds := map[string]bool{}
		for _, o := range objects {
			kinds[o.GroupVersionKind().GroupKind().String()] = true
			if o.GroupVersionKind().Group != "slack.notify.dev" {
				continue
			}
			if err := accepts(t, o.GetKind(), o.Object); err != nil {
				t.Errorf("%s: %s %s is not valid by its schema: %v", path, o.GetKind(), o.GetName(), err)
			}
			o.Object["spec"].(map[string]any)["tpyo"] = true
			if accepts(t, o.GetKind(), o.Object) == nil {
				t.Errorf("the schema of %s accepts an unknown field", o.GetKind())
			}
		}
		if len(kinds) != 1 || objects[0].GroupVersionKind().Group != "slack.notify.dev" {
			return nil
		}
		named++
		m := schemaLine.FindSubmatch(data)
		if m == nil {
			t.Errorf("%s does not begin with # yaml-language-server: $schema=…", path)
			return nil
		}
		want := "/docs/schemas/slack.notify.dev/" + strings.ToLower(objects[0].GetKind()) + "_v1alpha1.json"
		target := filepath.Join(filepath.Dir(path), string(m[1]))
		if _, err := os.Stat(target); err != nil || !strings.HasSuffix(target, want) {
			t.Errorf("%s names the schema %s, want %s", path, m[1], want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if named < 10 {
		t.Errorf("%d samples are of one kind, want at least 10", named)
	}
}
