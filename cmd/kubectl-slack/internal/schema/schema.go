// Package schema checks objects of the operator's kinds as the API server does, by
// the CustomResourceDefinitions that are built in: no cluster is asked.
package schema

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/config/crd"
)

// kind is what is checked of one kind.
type kind struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

// kinds are read once.
var kinds = sync.OnceValues(func() (map[string]*kind, error) {
	out := map[string]*kind{}
	files, err := fs.Glob(crd.Bases, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		data, err := crd.Bases.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := read(data, out); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
})

func read(data []byte, into map[string]*kind) error {
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(data, &definition); err != nil {
		return err
	}
	for i := range definition.Spec.Versions {
		version := &definition.Spec.Versions[i]
		if version.Name != v1alpha1.GroupVersion.Version {
			continue
		}
		var internal apiextensions.CustomResourceValidation
		if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(version.Schema, &internal, nil); err != nil {
			return err
		}
		structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
		if err != nil {
			return err
		}
		schema, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
		if err != nil {
			return err
		}
		into[definition.Spec.Names.Kind] = &kind{structural: structural, schema: schema, rules: cel.NewValidator(structural, true, celconfig.PerCallLimit)}
	}
	return nil
}

// Check returns an object with the defaults of its kind, and why the API server
// would refuse it: each a sentence that names the field. An object of a kind that
// is not the operator's is an error.
func Check(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, []string, error) {
	known, err := kinds()
	if err != nil {
		return nil, nil, err
	}
	if group := o.GroupVersionKind().Group; group != v1alpha1.GroupVersion.Group {
		return nil, nil, fmt.Errorf("%s is no kind of %s", o.GroupVersionKind(), v1alpha1.GroupVersion)
	}
	k := known[o.GetKind()]
	if k == nil || o.GroupVersionKind().Version != v1alpha1.GroupVersion.Version {
		return nil, []string{fmt.Sprintf("no matches for kind %q in version %q", o.GetKind(), o.GetAPIVersion())}, nil
	}
	out := o.DeepCopy()
	var refusals []string
	unknown := pruning.PruneWithOptions(out.Object, k.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		refusals = append(refusals, fmt.Sprintf("unknown field %q", path))
	}
	status, has := out.Object["status"]
	delete(out.Object, "status") // written by the operator alone
	if has {
		defer func() { out.Object["status"] = status }()
	}
	defaulting.Default(out.Object, k.structural)
	var all field.ErrorList
	all = append(all, named(out)...)
	all = append(all, validation.ValidateCustomResource(nil, out.UnstructuredContent(), k.schema)...)
	all = append(all, listtype.ValidateListSetsAndMaps(nil, k.structural, out.UnstructuredContent())...)
	if len(all) == 0 { // as in the API server, rules are for what is well formed
		broken, _ := k.rules.Validate(ctx, nil, k.structural, out.Object, nil, celconfig.RuntimeCELCostBudget)
		all = append(all, broken...)
	}
	for _, e := range all {
		refusals = append(refusals, e.Error())
	}
	return out, refusals, nil
}

// named checks the name. One that is left out is the API server's to refuse only
// where there is no generateName.
func named(o *unstructured.Unstructured) field.ErrorList {
	path := field.NewPath("metadata", "name")
	if o.GetName() == "" {
		if o.GetGenerateName() != "" {
			return nil
		}
		return field.ErrorList{field.Required(path, "name or generateName is required")}
	}
	if wrong := utilvalidation.IsDNS1123Subdomain(o.GetName()); len(wrong) > 0 {
		return field.ErrorList{field.Invalid(path, o.GetName(), strings.Join(wrong, "; "))}
	}
	return nil
}

// Into converts an object of the operator's kinds. What can't be converted has been
// refused by Check.
func Into(o *unstructured.Unstructured, typed any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed)
}
