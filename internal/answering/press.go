package answering

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/interact"
)

const (
	// recordWait is how long a click waits for its message to be recorded as
	// delivered, since people are faster than a slow API server.
	recordWait = 1500 * time.Millisecond
	// lookEvery is how often the cache is looked at meanwhile.
	lookEvery = 40 * time.Millisecond
)

// press is one click that is being taken.
type press struct {
	*Taker
	from  App
	click interact.Click
	// until is when to stop waiting for the delivery to be recorded.
	until time.Time

	n *v1alpha1.SlackNotification
	// fresh is true when n was read from the API server. What is refused for good is
	// refused by that alone: the cache of a replica may be behind.
	fresh bool
	// channel is the SlackChannel that the message went through.
	channel *v1alpha1.SlackChannel
	// may is who may do what, once that was asked: by the list and the action.
	may map[string]interact.Verdict
}

// result is an outcome, and whether Slack may be told; none is to go on.
type result struct {
	outcome string
	taken   bool
}

func (p *press) take(ctx context.Context) (string, bool) {
	if r := p.find(ctx); r != nil {
		return r.outcome, r.taken
	}
	for {
		r, err := p.answer(ctx)
		switch {
		case err == nil:
			return r.outcome, r.taken
		case apierrors.IsNotFound(err):
			return p.gone()
		case !apierrors.IsConflict(err) || ctx.Err() != nil:
			p.Log.Error(err, "Could not store an answer", "slacknotification", client.ObjectKeyFromObject(p.n), "action", p.click.Action)
			return OutcomeFailed, false
		}
		// Somebody else has written: what he wrote decides.
		if r := p.readAgain(ctx); r != nil {
			return r.outcome, r.taken
		}
	}
}

// find finds the object and the SlackChannel that its message went through; the
// message that was pressed must be a delivery of the object.
func (p *press) find(ctx context.Context) *result {
	for {
		n, err := p.byUID(ctx)
		if err != nil {
			p.Log.Error(err, "Could not look for the object of a button")
			return &result{OutcomeFailed, false}
		}
		if n == nil && p.certainlyGone() {
			outcome, taken := p.gone()
			return &result{outcome, taken}
		}
		if n != nil {
			p.n = n
			if r, done := p.place(ctx); done {
				return r
			}
		}
		if !p.wait(ctx) {
			break
		}
	}
	if p.n == nil {
		p.tell(p.anyChannel(ctx, p.from, p.click.TeamID), p.click, "The message that this button belongs to is not known here: nothing was recorded. Press again in a moment.")
		return &result{OutcomeUnrecorded, false}
	}
	return p.readAgain(ctx)
}

// wait waits for a moment; false when there is no time left.
func (p *press) wait(ctx context.Context) bool {
	if !p.Clock.Now().Before(p.until) {
		return false
	}
	timer := p.Clock.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}

// place reports whether it can be told that the message is, or is not, a delivery
// of the object; nil when it is.
func (p *press) place(ctx context.Context) (r *result, done bool) {
	for i := range p.n.Status.Deliveries {
		d := &p.n.Status.Deliveries[i]
		if d.ConversationID == p.click.ConversationID && d.Timestamp == p.click.Timestamp {
			return p.through(ctx, d), true
		}
	}
	if underway(p.n) {
		return nil, false
	}
	if !p.fresh {
		return p.readAgain(ctx), true
	}
	p.tell(p.anyChannel(ctx, p.from, p.click.TeamID), p.click, "This button belongs to an older message, or to another one: nothing was recorded. Use the newest message.")
	return &result{OutcomeMisplaced, true}, true
}

// underway reports whether something may be in Slack that the status does not tell
// yet.
func underway(n *v1alpha1.SlackNotification) bool {
	s := &n.Status
	return len(s.Deliveries) == 0 || s.ObservedGeneration != n.Generation ||
		slices.ContainsFunc(s.Deliveries, func(d v1alpha1.Delivery) bool {
			return d.State != v1alpha1.DeliveryDelivered && d.State != v1alpha1.DeliveryFailed || d.Unverified
		})
}

// through checks that the click came by the way that the message went out: whoever
// has a token or a signing secret of his own can make up clicks for those alone.
func (p *press) through(ctx context.Context, d *v1alpha1.Delivery) *result {
	i := slices.IndexFunc(p.from.Channels, func(c Channel) bool { return c.UID == d.ViaUID && d.ViaUID != "" })
	if i < 0 && p.from.Unsure {
		return &result{OutcomeFailed, false}
	}
	if i < 0 {
		return p.elsewhere(ctx)
	}
	c := &v1alpha1.SlackChannel{}
	err := p.Client.Get(ctx, p.from.Channels[i].NamespacedName, c)
	switch {
	case apierrors.IsNotFound(err), err == nil && c.UID != d.ViaUID:
		return p.elsewhere(ctx)
	case err != nil:
		return &result{OutcomeFailed, false}
	}
	at := c.Status.Workspace
	foreign := at == nil || p.click.TeamID != "" && p.click.TeamID != at.ID && p.click.EnterpriseID != at.ID
	if foreign || p.click.AppID != "" && c.Status.AppID != "" && p.click.AppID != c.Status.AppID {
		return &result{OutcomeMisplaced, at != nil}
	}
	p.channel = c
	return nil
}

// elsewhere is the result of a click on what went out through a SlackChannel that this
// way does not belong to, as after that was deleted and made anew.
func (p *press) elsewhere(ctx context.Context) *result {
	p.tell(p.anyChannel(ctx, p.from, p.click.TeamID), p.click, "The SlackChannel that this message was sent through is another one by now: nothing was recorded. Use a newer message, or have this one sent again.")
	return &result{OutcomeMisplaced, true}
}

// readAgain reads the object from the API server; nil when the click is to be
// judged by it.
func (p *press) readAgain(ctx context.Context) *result {
	n := &v1alpha1.SlackNotification{}
	err := p.Live.Get(ctx, client.ObjectKeyFromObject(p.n), n)
	switch {
	case apierrors.IsNotFound(err), err == nil && n.UID != p.click.Button.UID:
		outcome, taken := p.gone()
		return &result{outcome, taken}
	case err != nil:
		p.Log.Error(err, "Could not read the object of a button", "slacknotification", client.ObjectKeyFromObject(p.n))
		return &result{OutcomeFailed, false}
	}
	p.n, p.fresh = n, true
	if r, done := p.place(ctx); done {
		return r
	}
	p.tell(p.anyChannel(ctx, p.from, p.click.TeamID), p.click, "This message is not recorded as delivered yet: nothing was recorded. Press again in a moment.")
	return &result{OutcomeUnrecorded, false}
}

func (p *press) gone() (string, bool) {
	c := p.channel
	if c == nil {
		c = p.anyChannel(context.Background(), p.from, p.click.TeamID)
	}
	p.tell(c, p.click, "What this button belongs to is not there any more: the SlackNotification was deleted. Nothing was recorded.")
	return OutcomeGone, true
}

// answer decides what the click means for the object as it is known, and stores it.
func (p *press) answer(ctx context.Context) (result, error) {
	if interact.Recorded(p.n, p.click) {
		return result{OutcomeDuplicate, true}, nil
	}
	chosen, late := interact.Choose(p.n, p.click, p.Clock.Now())
	if late != nil && !p.fresh {
		return p.again(ctx)
	}
	if late != nil {
		p.tell(p.channel, p.click, late.Text)
		return result{OutcomeLate, true}, nil
	}
	verdict := p.verdict(ctx, chosen)
	if !verdict.Allowed() && !p.fresh {
		return p.again(ctx)
	}
	if !verdict.Allowed() {
		return p.refuse(chosen, verdict), nil
	}
	n := p.n.DeepCopy()
	response := chosen.Response(n, p.click, verdict.By, p.Clock.Now())
	interact.Record(n, response)
	if status, reason, text, ok := interact.Answered(n); ok {
		conditions.Set(n, v1alpha1.ConditionAnswered, status, reason, text)
	}
	if err := p.store(ctx, n); err != nil {
		return result{}, err
	}
	p.Log.Info("Recorded answer", "slacknotification", client.ObjectKeyFromObject(n), "action", response.Action, "user", response.User.ID,
		"allowedBy", response.AllowedBy, "decision", n.Status.Decision, "id", response.ID)
	return result{OutcomeRecorded, true}, nil
}

// again decides by what is stored.
func (p *press) again(ctx context.Context) (result, error) {
	if r := p.readAgain(ctx); r != nil {
		return *r, nil
	}
	return p.answer(ctx)
}

// operation of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// store writes the answers over those of the same resourceVersion, and nothing
// else: what another one has written meanwhile is a conflict.
func (p *press) store(ctx context.Context, n *v1alpha1.SlackNotification) error {
	change := []operation{
		{"replace", "/metadata/resourceVersion", n.ResourceVersion},
		{"add", "/status/responses", n.Status.Responses},
		{"add", "/status/conditions", n.Status.Conditions},
	}
	if n.Status.Decision != "" {
		change = append(change, operation{"add", "/status/decision", n.Status.Decision})
	}
	patch, err := json.Marshal(change)
	if err != nil {
		return err
	}
	stored := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: n.Namespace, Name: n.Name}}
	stored.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("SlackNotification"))
	return p.Client.Status().Patch(ctx, stored, client.RawPatch(types.JSONPatchType, patch))
}

// refuse tells the person why, and who may.
func (p *press) refuse(chosen interact.Chosen, v interact.Verdict) result {
	who, what := interact.Who(chosen.Allowed(p.n)), escape(chosen.Action.Text)
	switch {
	case v.External:
		p.tell(p.channel, p.click, fmt.Sprintf("You may not press “%s”: people from outside of this workspace may only when they are named by their ID. Nothing was recorded.", what))
	case v.Unknown != nil && !errors.Is(v.Unknown, interact.ErrNoGroup):
		p.Log.Info("Could not check who may press", "slacknotification", client.ObjectKeyFromObject(p.n), "error", v.Unknown.Error())
		p.tell(p.channel, p.click, fmt.Sprintf("Whether you may press “%s” can't be checked now: nothing was recorded. Those who may are %s. Press again in a moment.", what, who))
		return result{OutcomeUnknown, false}
	default:
		p.tell(p.channel, p.click, fmt.Sprintf("You may not press “%s”: only %s may. Nothing was recorded.", what, who))
	}
	p.warn(chosen, v)
	return result{OutcomeDenied, true}
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
