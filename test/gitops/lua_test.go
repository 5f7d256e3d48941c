package gitops

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// customizations is where Argo CD's own repository would have the health checks.
const customizations = root + "/config/argocd/resource_customizations/slack.notify.dev"

// health is what Argo CD shows of an object.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// assess runs the health check of a kind as Argo CD does: with nothing of Lua but
// the base and table libraries, for a second at the most.
func assess(t *testing.T, o *unstructured.Unstructured) health {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(customizations, o.GetKind(), "health.lua"))
	if err != nil {
		t.Fatal(err)
	}
	return runLua(t, string(script), o.Object)
}

func runLua(t *testing.T, script string, object map[string]any) health {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	l.SetContext(ctx)
	l.SetGlobal("obj", luaValue(l, object))
	if err := l.DoString(script); err != nil {
		t.Fatal(err)
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns a %s, want a table", l.Get(-1).Type())
	}
	return health{Status: lua.LVAsString(table.RawGetString("status")), Message: lua.LVAsString(table.RawGetString("message"))}
}

// luaValue is a part of an object in Lua.
func luaValue(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		out := l.CreateTable(len(v), 0)
		for _, e := range v {
			out.Append(luaValue(l, e))
		}
		return out
	case map[string]any:
		out := l.CreateTable(0, len(v))
		for k, e := range v {
			out.RawSetString(k, luaValue(l, e))
		}
		return out
	case nil:
		return lua.LNil
	}
	panic(fmt.Sprintf("%T in an object", v))
}

// healthTest is a file health_test.yaml in Argo CD's layout.
type healthTest struct {
	Tests []healthCase `json:"tests"`
}

type healthCase struct {
	HealthStatus health `json:"healthStatus"`
	InputPath    string `json:"inputPath"`
}

// Each health_test.yaml holds, as Argo CD's own tests would run it.
func TestArgoCDLayout(t *testing.T) {
	for _, c := range crds(t) {
		data, err := os.ReadFile(filepath.Join(customizations, c.kind, "health_test.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var file healthTest
		if err := yaml.UnmarshalStrict(data, &file); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, row := range file.Tests {
			seen[row.HealthStatus.Status] = true
			t.Run(c.kind+"/"+filepath.Base(row.InputPath), func(t *testing.T) {
				data, err := os.ReadFile(filepath.Join(customizations, c.kind, row.InputPath))
				if err != nil {
					t.Fatal(err)
				}
				o := &unstructured.Unstructured{}
				if err := yaml.Unmarshal(data, &o.Object); err != nil {
					t.Fatal(err)
				}
				if got := assess(t, o); got != row.HealthStatus {
					t.Errorf("health %+v, want %+v", got, row.HealthStatus)
				}
			})
		}
		for _, want := range []string{"Healthy", "Progressing", "Degraded", "Suspended"} {
			if !seen[want] {
				t.Errorf("no test of %s is %s", c.kind, want)
			}
		}
	}
}

// The ConfigMap for those who run Argo CD has the same scripts.
func TestArgoCDConfigMap(t *testing.T) {
	data, err := os.ReadFile(root + "/config/argocd/argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cm struct{ Data map[string]string }
	if err := yaml.Unmarshal(data, &cm); err != nil {
		t.Fatal(err)
	}
	for _, c := range crds(t) {
		script, err := os.ReadFile(filepath.Join(customizations, c.kind, "health.lua"))
		if err != nil {
			t.Fatal(err)
		}
		key := "resource.customizations.health.slack.notify.dev_" + c.kind
		if cm.Data[key] != string(script) {
			t.Errorf("%s of config/argocd/argocd-cm.yaml is not %s/health.lua", key, c.kind)
		}
	}
}
