package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

// names are the objects that arguments name, as in "slc/alerts" or "slc alerts web".
// kinds are the words for the one kind that is meant.
func names(args []string, kinds ...string) ([]string, error) {
	var out []string
	is := func(word string) bool {
		for _, kind := range kinds {
			if strings.EqualFold(word, kind) {
				return true
			}
		}
		return false
	}
	for i, arg := range args {
		kind, name, ok := strings.Cut(arg, "/")
		switch {
		case ok && !is(kind):
			return nil, fmt.Errorf("%s is no %s: write it as in %s/%s", arg, kinds[0], kinds[len(kinds)-1], name)
		case ok:
			out = append(out, name)
		case i == 0 && is(arg) && len(args) > 1:
		default:
			out = append(out, arg)
		}
	}
	return out, nil
}

var (
	channelWords      = []string{"slackchannel", "slackchannels", "slc"}
	notificationWords = []string{"slacknotification", "slacknotifications", "sln"}
)

// request sets the annotation that asks the operator to look now.
func (a *app) request(ctx context.Context, cluster client.Client, o client.Object) (string, error) {
	value := a.now().UTC().Format(time.RFC3339Nano)
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRequestedAt, value)
	return value, cluster.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(patch)))
}

func (a *app) verifyCommand() *cobra.Command {
	wait := 30 * time.Second
	c := &cobra.Command{
		Use:   "verify slc/NAME...",
		Short: "Have SlackChannels looked at now, not in ten minutes",
		Long: `Have SlackChannels looked at now, not in ten minutes: after the bot was invited, a
scope was added, or the app was installed anew.

Exit code 1 when one is not Ready.`,
		Example: `
  kubectl slack verify slc/alerts`,
		Args:              argCount(1, -1, "name the SlackChannels, as in slc/alerts"),
		ValidArgsFunction: a.completeKinds("slackchannel"),
		RunE:              func(c *cobra.Command, args []string) error { return a.verify(c.Context(), args, wait) },
	}
	c.Flags().DurationVar(&wait, "wait", wait, "How long to wait for the answer; 0 does not wait.")
	return c
}

func (a *app) verify(ctx context.Context, args []string, wait time.Duration) error {
	list, err := names(args, channelWords...)
	if err != nil {
		return err
	}
	ns, err := a.namespace()
	if err != nil {
		return err
	}
	cluster, err := a.client()
	if err != nil {
		return err
	}
	ready := true
	for _, name := range list {
		c := &v1alpha1.SlackChannel{}
		c.Namespace, c.Name = ns, name
		value, err := a.request(ctx, cluster, c)
		if err != nil {
			return err
		}
		if wait == 0 {
			a.say("slackchannel/%s asked for", name)
			continue
		}
		ok, err := a.verified(ctx, cluster, c, value, wait)
		if err != nil {
			return err
		}
		ready = ready && ok
	}
	if !ready {
		return no()
	}
	return nil
}

// verified waits for the answer of one SlackChannel, and tells it.
func (a *app) verified(ctx context.Context, cluster client.Client, c *v1alpha1.SlackChannel, value string, wait time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	key := client.ObjectKeyFromObject(c)
	for {
		if err := cluster.Get(ctx, key, c); err != nil && ctx.Err() == nil {
			return false, err
		}
		if c.Status.LastHandledRequest == value {
			r := conditions.Find(c, v1alpha1.ConditionReady)
			if r == nil {
				return false, nil
			}
			a.say("slackchannel/%s Ready=%s (%s) %s", c.Name, r.Status, r.Reason, r.Message)
			return r.Status == "True", nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			a.say("slackchannel/%s: no operator has looked at it within %s; kubectl slack explain slc/%s -n %s says why", c.Name, wait, c.Name, c.Namespace)
			return false, nil
		}
	}
}

// resending are the flags of resend.
type resending struct {
	again     bool
	recipient []string
	wait      time.Duration
}

func (a *app) resendCommand() *cobra.Command {
	r := &resending{}
	c := &cobra.Command{
		Use:   "resend sln/NAME",
		Short: "Send what has failed once more",
		Long: `Send what has failed once more, now and not after its back-off: the channel is mended,
the person is there. What was delivered is not sent again.

With --again the message is sent anew to all its recipients, or to those of
--recipient, by a copy of the SlackNotification: where it is not known whether Slack
has taken it, that may make a second one.`,
		Example: `
  # What has failed
  kubectl slack resend sln/deployed-42 --wait

  # The whole message once more, to one recipient
  kubectl slack resend sln/deployed-42 --again --recipient user:ada`,
		Args:              argCount(1, 2, "name one SlackNotification, as in sln/web-42"),
		ValidArgsFunction: a.completeKinds("slacknotification"),
		RunE:              func(c *cobra.Command, args []string) error { return a.resend(c.Context(), r, args) },
	}
	f := c.Flags()
	f.BoolVar(&r.again, "again", false, "Send it anew, whatever became of it.")
	f.StringSliceVar(&r.recipient, "recipient", nil, "With --again: whom to, as status.deliveries names them.")
	f.DurationVar(&r.wait, "wait", 0, "Wait for the outcome, 30s if no time is given.")
	f.Lookup("wait").NoOptDefVal = defaultWait
	return c
}

func (a *app) resend(ctx context.Context, r *resending, args []string) error {
	list, err := names(args, notificationWords...)
	if err != nil {
		return err
	}
	ns, err := a.namespace()
	if err != nil {
		return err
	}
	cluster, err := a.client()
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("resend takes one SlackNotification, not %d", len(list))
	}
	n := &v1alpha1.SlackNotification{}
	if err := cluster.Get(ctx, client.ObjectKey{Namespace: ns, Name: list[0]}, n); err != nil {
		return err
	}
	if r.again {
		return a.sendAgain(ctx, cluster, n, r)
	}
	if len(r.recipient) > 0 {
		return errors.New("--recipient needs --again")
	}
	open, unknown := undelivered(n)
	if unknown > 0 {
		a.hint("of %d nobody knows whether Slack has taken it; --again sends it anew, and may make a second one", unknown)
	}
	if open == 0 && len(n.Status.Deliveries) > 0 {
		a.say("slacknotification/%s: nothing has failed, %s delivered", n.Name, n.Status.Summary)
		return nil
	}
	value, err := a.request(ctx, cluster, n)
	if err != nil {
		return err
	}
	a.say("slacknotification/%s asked for", n.Name)
	if r.wait == 0 {
		return nil
	}
	return a.await(ctx, cluster, n, r.wait, func(n *v1alpha1.SlackNotification) bool {
		return n.Status.LastHandledRequest == value && finished(n)
	})
}

// undelivered counts the deliveries that are open, and those of unknown outcome.
func undelivered(n *v1alpha1.SlackNotification) (open, unknown int) {
	for _, d := range n.Status.Deliveries {
		switch d.State {
		case v1alpha1.DeliveryDelivered:
		case v1alpha1.DeliveryUnknown:
			unknown++
		default:
			open++
		}
	}
	return open, unknown
}

// ownLabels are those that people have given, by which an operator may be told what
// is its own to deliver (--watch-label-selector).
func ownLabels(set map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range set {
		if !strings.HasPrefix(key, v1alpha1.GroupVersion.Group+"/") {
			out[key] = value
		}
	}
	return out
}

// sendAgain makes a copy of a message.
func (a *app) sendAgain(ctx context.Context, cluster client.WithWatch, n *v1alpha1.SlackNotification, r *resending) error {
	again := &v1alpha1.SlackNotification{}
	again.Namespace = n.Namespace
	again.Name = fmt.Sprintf("%.200s-again-%x", n.Name, a.now().Unix())
	n.Spec.DeepCopyInto(&again.Spec)
	again.Labels = ownLabels(n.Labels)
	again.Spec.IdempotencyKey, again.Spec.NotBefore, again.Spec.Suspend = "", nil, false
	if owner := metav1.GetControllerOf(n); owner != nil && owner.Kind == "SlackAlert" {
		again.Spec.Actions, again.Spec.Answers = nil, nil // they are about the incident, which the copy is not
	}
	if len(r.recipient) > 0 {
		again.Spec.Recipients = nil
		for _, wanted := range r.recipient {
			found := wanted == message.DefaultRecipient && len(n.Spec.Recipients) == 0
			for _, one := range n.Spec.Recipients {
				if message.RecipientKey(one) == wanted {
					again.Spec.Recipients = append(again.Spec.Recipients, one)
					found = true
				}
			}
			if !found {
				return fmt.Errorf("SlackNotification %s has no recipient %q", n.Name, wanted)
			}
		}
	}
	if err := cluster.Create(ctx, again, strict); err != nil {
		return err
	}
	a.say("slacknotification/%s created", again.Name)
	if r.wait == 0 {
		return nil
	}
	return a.await(ctx, cluster, again, r.wait, finished)
}
