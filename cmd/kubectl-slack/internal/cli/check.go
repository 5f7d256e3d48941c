package cli

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	authorizationv1 "k8s.io/api/authorization/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/explain"
	"github.com/slack-notifier/slack-notifier/config/crd"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

func (a *app) checkCommand() *cobra.Command {
	before, all, wait := false, false, time.Duration(0)
	c := &cobra.Command{
		Use:   "check",
		Short: "Is the installation sound?",
		Long: `Is the installation sound? The kinds and their version, the operator's replicas and who
leads, each SlackChannel with its scopes, and what SlackAlerts may not watch.

With --pre, before it is installed: the cluster's version, and whether you may install it.

Exit code 1 when something is wrong.`,
		Example: `
  kubectl slack check --pre
  kubectl slack check -A --wait 2m`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if before {
				return a.checkBefore(c.Context())
			}
			return a.check(c.Context(), all, wait)
		},
	}
	f := c.Flags()
	f.BoolVar(&before, "pre", false, "Before it is installed.")
	f.BoolVarP(&all, "all-namespaces", "A", false, "The SlackChannels and SlackAlerts of all namespaces.")
	f.DurationVar(&wait, "wait", 0, "Wait until all is well.")
	return c
}

// finding is one line of a check.
type finding struct {
	mark explain.Mark
	text string
}

func (a *app) tellFindings(list []finding) error {
	bad := false
	for _, f := range list {
		bad = bad || f.mark == explain.Bad
		a.say("%-8s %s", f.mark, f.text)
	}
	if bad {
		return no()
	}
	return nil
}

// check looks once, or until all is well.
func (a *app) check(ctx context.Context, all bool, wait time.Duration) error {
	cluster, err := a.client()
	if err != nil {
		return err
	}
	until := a.now().Add(wait)
	for {
		list, err := a.findings(ctx, cluster, all)
		if err != nil {
			return err
		}
		bad := slices.ContainsFunc(list, func(f finding) bool { return f.mark == explain.Bad })
		if !bad || !a.now().Before(until) {
			return a.tellFindings(list)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return a.tellFindings(list)
		}
	}
}

func (a *app) findings(ctx context.Context, cluster client.Client, all bool) ([]finding, error) {
	var out []finding
	add := func(mark explain.Mark, format string, args ...any) {
		out = append(out, finding{mark, fmt.Sprintf(format, args...)})
	}
	missing, err := a.checkKinds(ctx, cluster, add)
	if err != nil || missing {
		return out, err
	}
	where := client.ListOptions{}
	if !all {
		if where.Namespace, err = a.namespace(); err != nil {
			return nil, err
		}
	}
	a.checkOperator(ctx, cluster, add)
	if err := checkChannels(ctx, cluster, &where, add); err != nil {
		return nil, err
	}
	return out, checkAlerts(ctx, cluster, &where, add)
}

type adder func(mark explain.Mark, format string, args ...any)

// checkKinds compares the CustomResourceDefinitions of the cluster with those that are
// built in.
func (a *app) checkKinds(ctx context.Context, cluster client.Client, add adder) (missing bool, err error) {
	files, err := fs.Glob(crd.Bases, "bases/*.yaml")
	if err != nil {
		return false, err
	}
	for _, name := range files {
		data, err := crd.Bases.ReadFile(name)
		if err != nil {
			return false, err
		}
		var own apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(data, &own); err != nil {
			return false, err
		}
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
		err = cluster.Get(ctx, client.ObjectKey{Name: own.Name}, u)
		kind := own.Spec.Names.Kind
		switch {
		case apierrors.IsNotFound(err):
			missing = true
			add(explain.Bad, "kind %s is not installed: kubectl apply --server-side -k config/crd", kind)
			continue
		case apierrors.IsForbidden(err):
			add(explain.Unknown, "kind %s: you may not read CustomResourceDefinitions, so its version is not known", kind)
			continue
		case err != nil:
			return false, err
		}
		var theirs apiextensionsv1.CustomResourceDefinition
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &theirs); err != nil {
			return false, err
		}
		compareKinds(kind, &own, &theirs, add)
	}
	return missing, nil
}

func compareKinds(kind string, own, theirs *apiextensionsv1.CustomResourceDefinition, add adder) {
	lacks := slices.DeleteFunc(fieldsOf(own), func(f string) bool { return slices.Contains(fieldsOf(theirs), f) })
	switch {
	case len(lacks) > 0:
		add(explain.Bad, "kind %s of the cluster is of another version: it lacks %s; apply the CustomResourceDefinitions of this version", kind, strings.Join(lacks[:min(len(lacks), 5)], ", "))
	case !established(theirs):
		add(explain.Bad, "kind %s is not served yet", kind)
	default:
		add(explain.Good, "kind %s is served, %s", kind, v1alpha1.GroupVersion.Version)
	}
}

func established(d *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(d.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
	})
}

// fieldsOf are the paths of a kind's fields.
func fieldsOf(d *apiextensionsv1.CustomResourceDefinition) []string {
	var out []string
	var walk func(path string, s *apiextensionsv1.JSONSchemaProps)
	walk = func(path string, s *apiextensionsv1.JSONSchemaProps) {
		for name := range s.Properties {
			below := s.Properties[name]
			at := strings.TrimPrefix(path+"."+name, ".")
			out = append(out, at)
			walk(at, &below)
		}
		if s.Items != nil && s.Items.Schema != nil {
			walk(path+"[]", s.Items.Schema)
		}
	}
	for i := range d.Spec.Versions {
		if v := &d.Spec.Versions[i]; v.Name == v1alpha1.GroupVersion.Version && v.Schema != nil {
			walk("", v.Schema.OpenAPIV3Schema)
		}
	}
	slices.Sort(out)
	return out
}

// checkOperator looks for the operator, as explain does.
func (a *app) checkOperator(ctx context.Context, cluster client.Client, add adder) {
	f := explain.Gather(ctx, cluster, &v1alpha1.SlackChannel{}, a.now())
	if len(f.Operators) == 0 {
		if f.OperatorsErr != nil {
			add(explain.Unknown, "operator: you may not see its Deployments")
		} else {
			add(explain.Unknown, "operator: there is no Deployment with the label app.kubernetes.io/name=slack-notifier")
		}
	}
	for _, o := range f.Operators {
		mark := explain.Good
		if o.Ready == 0 {
			mark = explain.Bad
		}
		add(mark, "operator: %d of %d replicas of Deployment %s/%s are ready", o.Ready, o.Wanted, o.Namespace, o.Name)
	}
	for _, line := range explain.Leader(f) {
		add(line.Mark, "leader: %s", line.Text)
	}
}

// listed lists objects, or tells that one may not.
func listed(ctx context.Context, cluster client.Client, list client.ObjectList, kind string, where *client.ListOptions, add adder) (bool, error) {
	err := cluster.List(ctx, list, where)
	if !apierrors.IsForbidden(err) {
		return err == nil, err
	}
	in := "of all namespaces"
	if where.Namespace != "" {
		in = "of namespace " + where.Namespace
	}
	add(explain.Unknown, "you may not list the %s %s: ask for the ClusterRole slack-notifier-viewer-role", kind, in)
	return false, nil
}

func checkChannels(ctx context.Context, cluster client.Client, where *client.ListOptions, add adder) error {
	list := &v1alpha1.SlackChannelList{}
	if seen, err := listed(ctx, cluster, list, "SlackChannels", where, add); !seen {
		return err
	}
	if len(list.Items) == 0 {
		add(explain.Info, "there is no SlackChannel yet")
	}
	for i := range list.Items {
		c := &list.Items[i]
		ready := conditions.Find(c, v1alpha1.ConditionReady)
		switch {
		case ready == nil:
			add(explain.Bad, "SlackChannel %s/%s: no operator has looked at it", c.Namespace, c.Name)
		case ready.Status != "True":
			add(explain.Bad, "SlackChannel %s/%s: %s: %s", c.Namespace, c.Name, ready.Reason, ready.Message)
		default:
			add(explain.Good, "SlackChannel %s/%s: %s", c.Namespace, c.Name, ready.Message)
		}
		if buttons := conditions.Find(c, v1alpha1.ConditionInteractive); buttons != nil && buttons.Status == "False" {
			add(explain.Bad, "SlackChannel %s/%s: nobody's click on a button arrives: %s: %s", c.Namespace, c.Name, buttons.Reason, buttons.Message)
		}
		if once := conditions.Find(c, v1alpha1.ConditionExactlyOnce); once != nil && once.Status == "False" {
			add(explain.Unknown, "SlackChannel %s/%s: %s", c.Namespace, c.Name, once.Message)
		}
		if len(c.Status.Scopes) > 0 {
			add(explain.Info, "SlackChannel %s/%s has the scopes %s", c.Namespace, c.Name, strings.Join(c.Status.Scopes, ", "))
		}
	}
	return nil
}

func checkAlerts(ctx context.Context, cluster client.Client, where *client.ListOptions, add adder) error {
	list := &v1alpha1.SlackAlertList{}
	if seen, err := listed(ctx, cluster, list, "SlackAlerts", where, add); !seen {
		return err
	}
	good := 0
	for i := range list.Items {
		rule := &list.Items[i]
		ready := conditions.Find(rule, v1alpha1.ConditionReady)
		switch {
		case ready == nil:
			add(explain.Bad, "SlackAlert %s/%s: no operator has looked at it", rule.Namespace, rule.Name)
		case ready.Status != "True":
			add(explain.Bad, "SlackAlert %s/%s: %s: %s", rule.Namespace, rule.Name, ready.Reason, ready.Message)
		default:
			good++
		}
	}
	if good > 0 {
		add(explain.Good, "SlackAlerts at work: %d", good)
	}
	return nil
}

// installs are the rights that an installation takes.
var installs = []authorizationv1.ResourceAttributes{
	{Verb: "create", Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"},
	{Verb: "create", Resource: "namespaces"},
	{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "clusterroles"},
	{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"},
	{Verb: "create", Group: "apps", Resource: "deployments", Namespace: explain.OperatorNamespace},
}

// leastMinor is the oldest Kubernetes 1.x that has the rules of the kinds: validation
// rules are stable since 1.29
// (kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions).
const leastMinor = 29

func (a *app) checkBefore(ctx context.Context) error {
	var out []finding
	discovery, err := a.flags.ToDiscoveryClient()
	if err != nil {
		return err
	}
	version, err := discovery.ServerVersion()
	if err != nil {
		return err
	}
	minor := 0
	_, _ = fmt.Sscanf(version.Minor, "%d", &minor) // 0 is told to be old
	if minor < leastMinor {
		out = append(out, finding{explain.Bad, fmt.Sprintf("Kubernetes %s is older than 1.%d", version.GitVersion, leastMinor)})
	} else {
		out = append(out, finding{explain.Good, "Kubernetes " + version.GitVersion})
	}
	cluster, err := a.client()
	if err != nil {
		return err
	}
	for i := range installs {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &installs[i]}}
		if err := cluster.Create(ctx, review); err != nil {
			return err
		}
		if review.Status.Allowed {
			out = append(out, finding{explain.Good, "you may create " + installs[i].Resource})
		} else {
			out = append(out, finding{explain.Bad, "you may not create " + installs[i].Resource + ": have somebody install it who administers the cluster"})
		}
	}
	return a.tellFindings(out)
}
