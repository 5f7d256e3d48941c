package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/lab"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// showing are the flags of the commands that show messages.
type showing struct {
	sources
	output      string
	open        bool
	via         string
	clusterName string
	payloads    []string
	headers     []string
	old, then   []string
	mentions    map[string]string
	storm       int
	// cluster names the cluster in buttons, as far as it may be asked.
	cluster string
}

func (s *showing) bind(c *cobra.Command) {
	s.sources.bind(c)
	f := c.Flags()
	f.StringVarP(&s.output, "output", "o", "text", "One of text, json (what is posted), html (one file) and url (Slack's Block Kit Builder).")
	f.BoolVar(&s.open, "open", false, "Open the page (or with -o url the address) in a browser.")
	f.StringVar(&s.via, "via", "", "webAPI or webhook; left out: what the SlackChannel says.")
	f.StringVar(&s.clusterName, "cluster-name", "", "The operator's --cluster-name, which is the footer of each message.")
	f.StringSliceVar(&s.payloads, "payload", nil, "Files with what is posted to a SlackAlert, in their order.")
	f.StringSliceVar(&s.headers, "header", nil, "Headers of the posts, as in X-GitHub-Event=push.")
	f.StringSliceVar(&s.old, "old", nil, "A file with the object as it was before (oldObject).")
	f.StringSliceVar(&s.then, "then", nil, "A file with the object as it becomes while the alert is firing.")
	f.StringToStringVar(&s.mentions, "mention", nil, "IDs of whom the text mentions, as in ada@example.com=U0123.")
	f.IntVar(&s.storm, "storm", 5, "How many more than maxIncidents fire in a storm; 0 shows none.")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "html", "url"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	_ = c.RegisterFlagCompletionFunc("via", cobra.FixedCompletions([]string{"webAPI", "webhook"}, cobra.ShellCompDirectiveNoFileComp))              // as above
	_ = c.MarkFlagFilename("payload", "json")                                                                                                       // as above
}

func (s *showing) check() error {
	if !slices.Contains([]string{"text", "json", "html", "url"}, s.output) {
		return fmt.Errorf("--output %q is none of text, json, html and url", s.output)
	}
	if !slices.Contains([]string{"", string(preview.WebAPI), string(preview.Webhook)}, s.via) {
		return fmt.Errorf("--via %q is neither webAPI nor webhook", s.via)
	}
	return nil
}

func (s *showing) options() preview.Options {
	return preview.Options{Via: preview.Via(s.via), ClusterName: s.clusterName, Cluster: s.cluster, Mentions: s.mentions}
}

func (a *app) previewCommand() *cobra.Command {
	s := &showing{}
	c := &cobra.Command{
		Use:   "preview (-f FILE | TYPE/NAME)...",
		Short: "Show what people will see, without sending it",
		Long: `Show what people will see, without sending it.

The messages are made by the operator's own code: what is cut, whom they mention,
what a phone shows, and how near they come to Slack's limits. Of a SlackAlert each
state is shown (firing, changed, reminder, resolved, storm); give it the object, the
Event or the posted body that it is about.

Objects from files are shown without a cluster and without a token.

Exit code 1 when the API server or Slack would refuse a message, 2 when it can't be
shown.`,
		Example: `
  # A message, in the terminal and in the browser
  kubectl slack preview -f deployed.yaml
  kubectl slack preview -f deployed.yaml --open

  # Exactly what is posted, by an incoming webhook
  kubectl slack preview -f deployed.yaml --via webhook -o json

  # A rule with a Deployment of the cluster, and with a body that was posted
  kubectl slack preview -f rule.yaml deploy/web
  kubectl slack preview -f rule.yaml --payload alertmanager.json

  # One that is in the cluster
  kubectl slack preview sln/deployed-42`,
		RunE: func(c *cobra.Command, args []string) error { return broken(a.preview(c.Context(), s, args)) },
	}
	s.bind(c)
	brokenFlags(c)
	c.ValidArgsFunction = a.completeKinds("slacknotification", "slackalert")
	return c
}

func (a *app) preview(ctx context.Context, s *showing, args []string) error {
	all, err := a.given(ctx, s, args)
	if err != nil {
		return err
	}
	messages, err := a.messages(ctx, s, all, len(args) > 0)
	if err != nil {
		return err
	}
	if err := a.show(s, messages); err != nil {
		return err
	}
	if slices.ContainsFunc(messages, func(m preview.Message) bool { return len(m.Refusals) > 0 }) || a.tellRefused(all) {
		return no()
	}
	return nil
}

// given are the objects that the command line names.
func (a *app) given(ctx context.Context, s *showing, args []string) (*objects, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if !s.given() && len(args) == 0 {
		return nil, errors.New("name what to show: -f FILE, or TYPE/NAME of an object in the cluster")
	}
	list, err := a.load(&s.sources, args)
	if err != nil {
		return nil, err
	}
	return sortObjects(ctx, list)
}

// messages are those of all objects. With ask, SlackChannels are read from the
// cluster.
func (a *app) messages(ctx context.Context, s *showing, all *objects, ask bool) ([]preview.Message, error) {
	var messages []preview.Message
	for _, n := range all.notifications {
		channel, err := a.channel(ctx, all, n.Spec.ChannelRef, n.Namespace, ask)
		if err != nil {
			return nil, err
		}
		if ask && len(n.Spec.Actions) > 0 && s.cluster == "" {
			s.cluster = a.clusterHash(ctx)
		}
		m := preview.Of(n, channel, s.options())
		m.Refusals = append(all.refusals("SlackNotification", n.Namespace, n.Name), m.Refusals...)
		messages = append(messages, m)
	}
	for _, rule := range all.alerts {
		_, more, err := a.story(ctx, s, all, rule, ask)
		if err != nil {
			return nil, fmt.Errorf("SlackAlert %s: %w", rule.Name, err)
		}
		messages = append(messages, more...)
	}
	if len(messages) == 0 && len(all.alerts) == 0 {
		return nil, errors.New("there is no SlackNotification and no SlackAlert in what was given")
	}
	return messages, nil
}

// refusals of an object, each told once.
func (s *objects) refusals(kind, namespace, name string) []string {
	var out []string
	key := refusedKey(kind, namespace, name)
	for _, text := range s.refused[key] {
		out = append(out, "The API server would refuse it: "+text)
	}
	delete(s.refused, key)
	return out
}

// tellRefused tells of objects of which no message is shown.
func (a *app) tellRefused(s *objects) bool {
	keys := make([]string, 0, len(s.refused))
	for key := range s.refused {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		a.hint("%s would be refused by the API server: %s", key, strings.Join(s.refused[key], "; "))
	}
	return len(keys) > 0
}

// story tries a rule on what was given for it, and returns its messages.
func (a *app) story(ctx context.Context, s *showing, all *objects, rule *v1alpha1.SlackAlert, ask bool) (lab.Result, []preview.Message, error) {
	in, err := a.input(s, all, rule)
	if err != nil {
		return lab.Result{}, nil, err
	}
	if in.Channel, err = a.channel(ctx, all, rule.Spec.ChannelRef, rule.Namespace, ask); err != nil {
		return lab.Result{}, nil, err
	}
	if in.Channel == nil {
		a.hint("SlackChannel %s is not known here, so its own sender and what it allows other namespaces are not seen: give it with -f", clientKey(rule))
		in.Channel = standIn(rule, preview.Via(s.via))
	}
	result, err := lab.Run(ctx, rule, in)
	if err != nil {
		return result, nil, err
	}
	refusals := all.refusals("SlackAlert", rule.Namespace, rule.Name)
	var out []preview.Message
	for _, step := range result.Steps {
		step.Notification.UID = ""
		m := preview.Of(step.Notification, in.Channel, s.options())
		m.Title, m.Edit = step.Title, step.Edit
		m.Refusals = append(slices.Clone(refusals), m.Refusals...)
		out = append(out, m)
	}
	if !result.Fires {
		a.hint("%s", strings.TrimSpace(fmt.Sprintf("SlackAlert %s does not fire for what was given. %s", rule.Name, result.Why)))
	}
	for _, remark := range result.Remarks {
		a.hint("%s: %s", rule.Name, remark)
	}
	return result, out, nil
}

// input is what a rule is tried on, of what was given.
func (a *app) input(s *showing, all *objects, rule *v1alpha1.SlackAlert) (lab.Input, error) {
	in := lab.Input{ClusterName: s.clusterName, Now: a.now(), Storm: s.storm}
	if lab.ByPost(&rule.Spec) {
		bodies, err := readPayloads(s.payloads)
		if err != nil {
			return in, err
		}
		if len(bodies) == 0 {
			return in, errors.New("it takes what is posted to it: give a body with --payload FILE")
		}
		for _, body := range bodies {
			in.Posts = append(in.Posts, posts.Raw{Body: body, Headers: headersOf(s.headers), Signed: true})
		}
		return in, nil
	}
	matching := func(list []*unstructured.Unstructured) []*unstructured.Unstructured { return watchedBy(rule, list) }
	in.Objects = matching(all.others)
	if len(in.Objects) == 0 {
		return in, fmt.Errorf("it watches %s: give one with -f FILE, or as TYPE/NAME of the cluster", watchedKind(rule))
	}
	for flag, names := range map[string][]string{"--old": s.old, "--then": s.then} {
		if len(names) == 0 {
			continue
		}
		var files sources
		files.files.Filenames = names
		list, err := a.load(&files, nil)
		if err != nil {
			return in, err
		}
		list = matching(list)
		if len(list) != 1 || list[0].GetName() != in.Objects[0].GetName() {
			return in, fmt.Errorf("%s has to be %s %s in another state", flag, in.Objects[0].GetKind(), in.Objects[0].GetName())
		}
		list[0].SetUID(in.Objects[0].GetUID())
		if flag == "--old" {
			in.Old = list[0]
		} else {
			in.Then = list[0]
		}
	}
	return in, nil
}

// watchedBy are the objects of the kind that a rule watches.
func watchedBy(rule *v1alpha1.SlackAlert, list []*unstructured.Unstructured) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, o := range list {
		source := rule.Spec.Source.Objects
		switch {
		case source == nil && o.GetKind() == "Event":
			out = append(out, lab.Event(o))
		case source != nil && o.GetKind() == source.Kind && o.GroupVersionKind().Group == schema.FromAPIVersionAndKind(source.APIVersion, source.Kind).Group:
			out = append(out, o)
		}
	}
	return out
}

func watchedKind(rule *v1alpha1.SlackAlert) string {
	if o := rule.Spec.Source.Objects; o != nil {
		return o.Kind + " of " + o.APIVersion
	}
	return "Events"
}
