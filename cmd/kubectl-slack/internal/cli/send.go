package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/schema"
)

// sending are the flags of send.
type sending struct {
	channelRef string
	to         []string
	title      string
	severity   string
	markdown   bool
	fields     []string
	link       string
	thread     string
	broadcast  bool
	name       string
	key        string
	wait       time.Duration
	dryRun     string
	print      *genericclioptions.PrintFlags
}

// strict has the API server refuse a field that it does not know, as one whose
// CustomResourceDefinitions are older does, and not drop it.
const strict = client.FieldValidation(metav1.FieldValidationStrict)

// defaultWait of --wait without a value.
const defaultWait = "30s"

func (a *app) sendCommand() *cobra.Command {
	s := &sending{print: genericclioptions.NewPrintFlags("created")}
	c := &cobra.Command{
		Use:   "send [TEXT]",
		Short: "Send a message, and wait for it",
		Long: `Send a message: a SlackNotification is made, which the operator delivers.

The text is mrkdwn as Slack has it, or read from the standard input where none is
given. With --wait the outcome is waited for, and the link to the message printed.

Exit code 1 when the message is not delivered.`,
		Example: `
  # From a shell
  kubectl slack send "*web* 42 is out" --channel-ref alerts --wait

  # From a pipeline: what a script has printed, to a person and a channel
  ./report.sh | kubectl slack send --channel-ref alerts --to @ada --to "#deploys" --title Report

  # In the thread of another message
  kubectl slack send "Migrated" --channel-ref alerts --thread sln/web-43

  # The manifest for Git
  kubectl slack send "Out" --channel-ref alerts --name deploy-42 --dry-run=client -o yaml`,
		Args: argCount(0, 1, "give the text as one word: put it in quotes"),
		RunE: func(c *cobra.Command, args []string) error { return a.send(c.Context(), s, args) },
	}
	f := c.Flags()
	f.StringVar(&s.channelRef, "channel-ref", "", "The SlackChannel to send through, as NAME or NAMESPACE/NAME.")
	f.StringSliceVar(&s.to, "to", nil, "Recipients: @user, #channel, an e-mail address or an ID; left out: the SlackChannel's own channel.")
	f.StringVar(&s.title, "title", "", "A headline.")
	f.StringVar(&s.severity, "severity", "", "Info, Success, Warning, Error or Critical.")
	f.BoolVar(&s.markdown, "markdown", false, "The text is standard Markdown.")
	f.StringArrayVar(&s.fields, "field", nil, "A titled fact, as in Version=42.")
	f.StringVar(&s.link, "link", "", "A link below the message, as in https://… or Runbook=https://…")
	f.StringVar(&s.thread, "thread", "", "A SlackNotification to reply to, as in sln/web-43.")
	f.BoolVar(&s.broadcast, "broadcast", false, "With --thread: show the reply in the channel too.")
	f.StringVar(&s.name, "name", "", "The SlackNotification's name; left out: made up.")
	f.StringVar(&s.key, "idempotency-key", "", "A message of the last 7 days with this key counts as this one.")
	f.DurationVar(&s.wait, "wait", 0, "Wait for the outcome, 30s if no time is given.")
	f.Lookup("wait").NoOptDefVal = defaultWait
	f.StringVar(&s.dryRun, "dry-run", "none", "none, client (nothing is asked) or server (the API server checks it).")
	s.print.AddFlags(c)
	_ = c.MarkFlagRequired("channel-ref")                                                                                                                                 // the flag is there
	_ = c.RegisterFlagCompletionFunc("channel-ref", a.completeNames("slackchannel"))                                                                                      // as above
	_ = c.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions([]string{"Info", "Success", "Warning", "Error", "Critical"}, cobra.ShellCompDirectiveNoFileComp)) // as above
	_ = c.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{"none", "client", "server"}, cobra.ShellCompDirectiveNoFileComp))                         // as above
	return c
}

func (a *app) send(ctx context.Context, s *sending, args []string) error {
	n, err := a.notification(s, args)
	if err != nil {
		return err
	}
	switch s.dryRun {
	case "client":
		if err := checked(ctx, n); err != nil {
			return err
		}
		return a.printObject(s.print, n, " (client dry run)")
	case "none", "server":
	default:
		return fmt.Errorf("--dry-run %q is none of none, client and server", s.dryRun)
	}
	cluster, err := a.client()
	if err != nil {
		return err
	}
	options, suffix := []client.CreateOption{strict}, ""
	if s.dryRun == "server" {
		options, suffix = append(options, client.DryRunAll), " (server dry run)"
	}
	if err := cluster.Create(ctx, n, options...); err != nil {
		return err
	}
	if err := a.printObject(s.print, n, suffix); err != nil || s.wait == 0 || s.dryRun != "none" {
		return err
	}
	if *s.print.OutputFormat != "" {
		quiet := *a // what is printed is for a program, and stays alone
		quiet.Out = a.ErrOut
		a = &quiet
	}
	return a.await(ctx, cluster, n, s.wait, finished)
}

// notification is what the flags ask for.
func (a *app) notification(s *sending, args []string) (*v1alpha1.SlackNotification, error) {
	ns, err := a.namespace()
	if err != nil {
		return nil, err
	}
	text, err := a.text(s, args)
	if err != nil {
		return nil, err
	}
	n := &v1alpha1.SlackNotification{TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "SlackNotification"}}
	n.Namespace, n.Name = ns, s.name
	if n.Name == "" {
		n.Name = "send-" + fmt.Sprintf("%x", a.now().UnixNano())
	}
	n.Spec.ChannelRef = channelRef(s.channelRef)
	n.Spec.IdempotencyKey = s.key
	n.Spec.Title, n.Spec.Severity = s.title, v1alpha1.Severity(s.severity)
	if s.markdown {
		n.Spec.Markdown = text
	} else {
		n.Spec.Text = text
	}
	for _, one := range s.to {
		n.Spec.Recipients = append(n.Spec.Recipients, recipientOf(one))
	}
	for _, one := range s.fields {
		title, value, ok := strings.Cut(one, "=")
		if !ok {
			return nil, fmt.Errorf("--field %q has no =: write it as in Version=42", one)
		}
		n.Spec.Fields = append(n.Spec.Fields, v1alpha1.Field{Title: title, Value: value, Short: len(value) <= 40})
	}
	if s.link != "" {
		n.Spec.Link = linkOf(s.link)
	}
	if s.thread != "" {
		name := s.thread[strings.LastIndexByte(s.thread, '/')+1:]
		n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: name}, Broadcast: s.broadcast}
	} else if s.broadcast {
		return nil, errors.New("--broadcast needs --thread")
	}
	if text == "" && s.title == "" {
		return nil, errors.New("there is nothing to send: give a text, --title, or something on the standard input")
	}
	return n, nil
}

// mostInput is how much is read from the standard input, in bytes: more is not in a
// message.
const mostInput = 256 << 10

// text is the argument, or what stands on the standard input where that is no
// terminal.
func (a *app) text(s *sending, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	if file, ok := a.In.(*os.File); ok && len(args) == 0 && (s.title != "" || term.IsTerminal(int(file.Fd()))) {
		return "", nil
	}
	data, err := io.ReadAll(io.LimitReader(bufio.NewReader(a.In), mostInput))
	return strings.TrimRight(strings.ToValidUTF8(string(data), "\uFFFD"), "\n"), err
}

func channelRef(s string) v1alpha1.ChannelReference {
	if ns, name, ok := strings.Cut(s, "/"); ok {
		return v1alpha1.ChannelReference{Namespace: ns, Name: name}
	}
	return v1alpha1.ChannelReference{Name: s}
}

// recipientOf reads a recipient as people write it.
func recipientOf(s string) v1alpha1.Recipient {
	switch {
	case strings.HasPrefix(s, "@"):
		return v1alpha1.Recipient{User: s[1:]}
	case strings.HasPrefix(s, "#"), isID(s, "CGD"):
		return v1alpha1.Recipient{Channel: s}
	case strings.Contains(s, "@"):
		return v1alpha1.Recipient{Email: s}
	}
	return v1alpha1.Recipient{User: s}
}

// isID reports whether a text looks like one of Slack's IDs.
func isID(s, kinds string) bool {
	return len(s) >= 9 && strings.ContainsRune(kinds, rune(s[0])) && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

func linkOf(s string) *v1alpha1.Link {
	if text, url, ok := strings.Cut(s, "="); ok && !strings.Contains(text, "://") {
		return &v1alpha1.Link{Text: text, URL: url}
	}
	return &v1alpha1.Link{URL: s}
}

// checked refuses what the API server would refuse.
func checked(ctx context.Context, n *v1alpha1.SlackNotification) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(n)
	if err != nil {
		return err
	}
	delete(content, "status")
	_, refusals, err := schema.Check(ctx, &unstructured.Unstructured{Object: content})
	if err == nil && len(refusals) > 0 {
		err = errors.New("the API server would refuse it: " + strings.Join(refusals, "; "))
	}
	return err
}

// printObject prints an object in the form of -o, or that it was made.
func (a *app) printObject(flags *genericclioptions.PrintFlags, n *v1alpha1.SlackNotification, suffix string) error {
	if *flags.OutputFormat == "" {
		a.say("slacknotification/%s created%s", n.Name, suffix)
		return nil
	}
	p, err := flags.ToPrinter()
	if err != nil {
		return err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(n)
	if err != nil {
		return err
	}
	content["apiVersion"], content["kind"] = v1alpha1.GroupVersion.String(), "SlackNotification"
	delete(content, "status")
	o := &unstructured.Unstructured{Object: content}
	o.SetManagedFields(nil)
	unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
	return p.PrintObj(o, a.Out)
}
