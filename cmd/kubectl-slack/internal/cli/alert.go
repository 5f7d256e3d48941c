package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/lab"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
)

func (a *app) alertCommand() *cobra.Command {
	c := &cobra.Command{Use: "alert", Short: "Try a SlackAlert before it is at work"}
	onlyCommands(c)
	c.AddCommand(a.alertTestCommand(), a.alertWatchCommand())
	return c
}

func (a *app) alertTestCommand() *cobra.Command {
	s, all := &showing{}, false
	c := &cobra.Command{
		Use:   "test -f RULE (-f OBJECT | TYPE/NAME | --all | --payload FILE)",
		Short: "Does this rule fire for this object, and what would it say?",
		Long: `Does this rule fire for this object, and what would it say?

The rule is run by the operator's own controller on a cluster in memory that has this
object and nothing else. Time passes as fast as the rule needs it: "for",
keepFiringFor, repeatInterval and resolveAfter are all waited for.

Exit code 0 when it fires, 1 when it does not, 2 when it can't be told: the rule does
not compile, or a field that it needs is missing.`,
		Example: `
  # With an object from a file, and what it was before
  kubectl slack alert test -f rule.yaml -f web.yaml --old web-before.yaml

  # With all Deployments of the namespace
  kubectl slack alert test -f rule.yaml --all

  # With what an Alertmanager posts, and then with what ends it
  kubectl slack alert test -f rule.yaml --payload firing.json --payload resolved.json`,
		RunE: func(c *cobra.Command, args []string) error {
			return broken(a.alertTest(c.Context(), s, args, all))
		},
	}
	s.bind(c)
	brokenFlags(c)
	c.Flags().BoolVar(&all, "all", false, "Try it on all objects of its kind in the namespace.")
	return c
}

// oneRule loads what is given, which is one SlackAlert that the API server would take,
// and what goes with it.
func (a *app) oneRule(ctx context.Context, from *sources, args []string) (*objects, *v1alpha1.SlackAlert, error) {
	list, err := a.load(from, args)
	if err != nil {
		return nil, nil, err
	}
	given, err := sortObjects(ctx, list)
	if err != nil {
		return nil, nil, err
	}
	if len(given.alerts) != 1 {
		return nil, nil, fmt.Errorf("give one SlackAlert with -f or as sla/NAME; there are %d", len(given.alerts))
	}
	rule := given.alerts[0]
	if refusals := given.refusals("SlackAlert", rule.Namespace, rule.Name); len(refusals) > 0 {
		return nil, nil, errors.New(refusals[0])
	}
	return given, rule, nil
}

func (a *app) alertTest(ctx context.Context, s *showing, args []string, every bool) error {
	if err := s.check(); err != nil {
		return err
	}
	given, rule, err := a.oneRule(ctx, &s.sources, args)
	if err != nil {
		return err
	}
	if every {
		return a.alertTestAll(ctx, s, rule)
	}
	result, messages, err := a.story(ctx, s, given, rule, len(args) > 0)
	if err != nil {
		return err
	}
	if !result.Fires {
		if result.Why != "" {
			return &exitError{code: exitBroken}
		}
		return no()
	}
	if s.output == "text" {
		a.say("SlackAlert %s fires: %s", rule.Name, groups(result))
		a.say("")
	}
	return a.show(s, messages)
}

func groups(r lab.Result) string {
	if r.Groups == 1 {
		return "1 incident, group " + fmt.Sprintf("%q", r.Group)
	}
	return fmt.Sprintf("%d incidents, groups %s", r.Groups, r.Group)
}

// alertTestAll tells for which objects of the namespace a rule fires.
func (a *app) alertTestAll(ctx context.Context, s *showing, rule *v1alpha1.SlackAlert) error {
	if rule.Spec.Source.Objects == nil {
		return errors.New("--all is for rules with source.objects")
	}
	ns, err := a.namespace()
	if err != nil {
		return err
	}
	kind := kindArg(rule.Spec.Source.Objects)
	infos, err := resource.NewBuilder(a.flags).Unstructured().NamespaceParam(ns).DefaultNamespace().ResourceTypeOrNameArgs(true, kind).Flatten().Do().Infos()
	if err != nil {
		return err
	}
	fires, unknown := 0, 0
	for _, info := range infos {
		o, ok := info.Object.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		in := lab.Input{Objects: []*unstructured.Unstructured{o}, ClusterName: s.clusterName, Now: a.now(), Channel: standIn(rule, preview.Via(s.via))}
		result, err := lab.Run(ctx, rule, in)
		switch {
		case err != nil:
			return err
		case result.Fires:
			fires++
			a.say("%s %s: fires, group %q: %s", o.GetKind(), o.GetName(), result.Group, headline(result))
		case result.Why != "":
			unknown++
			a.say("%s %s: can't be told: %s", o.GetKind(), o.GetName(), result.Why)
		default:
			a.say("%s %s: does not fire", o.GetKind(), o.GetName())
		}
	}
	a.hint("%d of %d fire", fires, len(infos))
	switch {
	case fires > 0:
		return nil
	case unknown > 0:
		return &exitError{code: exitBroken}
	}
	return no()
}

// kindArg names a kind for kubectl, as in "Deployment.v1.apps".
func kindArg(o *v1alpha1.ObjectsSource) string {
	group, version := "", o.APIVersion
	for i := range o.APIVersion {
		if o.APIVersion[i] == '/' {
			group, version = o.APIVersion[:i], o.APIVersion[i+1:]
		}
	}
	if group == "" {
		return o.Kind
	}
	return o.Kind + "." + version + "." + group
}

func headline(r lab.Result) string {
	if len(r.Steps) == 0 {
		return ""
	}
	c := r.Steps[0].Notification.Spec.Content
	if c.Title != "" {
		return c.Title
	}
	return c.Text
}

// watching are the flags of alert watch.
type watching struct {
	showing
	duration time.Duration
	central  bool
}

func (a *app) alertWatchCommand() *cobra.Command {
	w := &watching{}
	c := &cobra.Command{
		Use:   "watch -f RULE",
		Short: "What would this rule have sent, on the live cluster?",
		Long: `What would this rule have sent, on the live cluster?

The rule is run by the operator's own controller, with your rights: what it looks at
is watched, and each message that it would make or change is shown here. Nothing is
written to the cluster, and nothing is sent. It runs until Ctrl-C, or for --for.`,
		Example: `
  # For ten minutes, before the team is paged by it
  kubectl slack alert watch -f rule.yaml --for 10m`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return broken(a.alertWatch(c.Context(), w, args)) },
	}
	w.sources.bind(c)
	brokenFlags(c)
	f := c.Flags()
	f.DurationVar(&w.duration, "for", 0, "How long to watch; until Ctrl-C when 0.")
	f.StringVar(&w.clusterName, "cluster-name", "", "The operator's --cluster-name.")
	f.StringVar(&w.via, "via", "", "webAPI or webhook; left out: what the SlackChannel says.")
	f.BoolVar(&w.central, "cluster-scope", false, "The operator's --cluster-scope-namespaces names the rule's namespace.")
	f.StringVarP(&w.output, "output", "o", "text", "text or json (what would be posted).")
	return c
}

func (a *app) alertWatch(ctx context.Context, w *watching, args []string) error {
	if !slices.Contains([]string{"text", "json"}, w.output) {
		return fmt.Errorf("--output %q is neither text nor json", w.output)
	}
	given, rule, err := a.oneRule(ctx, &w.sources, args)
	if err != nil {
		return err
	}
	if lab.ByPost(&rule.Spec) {
		return errors.New("it takes what is posted to it, which can't be watched from here: try it by kubectl slack alert test --payload")
	}
	return a.alertFollow(ctx, w, given, rule)
}

func (a *app) alertFollow(ctx context.Context, w *watching, given *objects, rule *v1alpha1.SlackAlert) error {
	config, err := a.config()
	if err != nil {
		return err
	}
	cluster, err := a.client()
	if err != nil {
		return err
	}
	channel, err := a.channel(ctx, given, rule.Spec.ChannelRef, rule.Namespace, true)
	if err != nil {
		return err
	}
	if w.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.duration)
		defer cancel()
	}
	rule.Spec.Suspend = false
	count := 0
	live := &lab.Live{
		Config: config, Cluster: cluster, ClusterName: w.clusterName, Central: w.central,
		Status: func(c metav1.Condition) { a.hint("%s %s", a.now().Format(time.TimeOnly), c.Message) },
		Tell: func(step lab.Step) {
			count++
			step.Notification.UID = ""
			m := preview.Of(step.Notification, channel, w.options())
			m.Title, m.Edit = a.now().Format(time.TimeOnly)+" "+step.Title, step.Edit
			if err := a.show(&w.showing, []preview.Message{m}); err != nil {
				a.hint("%v", err)
			}
		},
	}
	if err := live.Watch(ctx, rule); err != nil {
		return err
	}
	a.hint("%d messages would have been sent or edited", count)
	return nil
}
