package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/socket"
	"github.com/slack-notifier/slack-notifier/internal/sockets"
)

// interactive says in the status whether clicks on buttons arrive. It changes
// nothing of Ready: messages are sent without.
func (r *Reconciler) interactive(ctx context.Context, c *v1alpha1.SlackChannel, o *outcome) {
	c.Status.InteractionsAddress = ""
	if c.Spec.Interactions == nil || c.Spec.WebAPI == nil {
		c.Status.AppID = ""
		conditions.Remove(c, v1alpha1.ConditionInteractive)
		return
	}
	if c.Spec.Suspend {
		conditions.Set(c, v1alpha1.ConditionInteractive, metav1.ConditionFalse, v1alpha1.ReasonSuspended,
			"spec.suspend is true: no click on a button arrives through this SlackChannel until it is set to false")
		return
	}
	app, after := r.appOf(ctx, c)
	c.Status.AppID = app
	var cond *metav1.Condition
	if c.Spec.Interactions.SigningSecretRef != nil {
		cond = r.listening(ctx, c)
	} else {
		cond = r.connected(c, app)
	}
	if cond != nil {
		conditions.Set(c, v1alpha1.ConditionInteractive, cond.Status, cond.Reason, cond.Message)
	}
	if after > 0 && (o.after == 0 || after < o.after) {
		o.after = after
	}
}

// appOf returns the ID of the app that the bot token belongs to, and when not 0,
// when to ask again. Slack is asked once for each token.
func (r *Reconciler) appOf(ctx context.Context, c *v1alpha1.SlackChannel) (app string, after time.Duration) {
	conn, err := r.Connections.Resolve(ctx, c)
	if err != nil || conn.API == nil {
		return "", 0
	}
	facts, ok := r.Health.Facts(c.UID, conn.Credential)
	bot := facts.Identity.BotID
	if !ok || bot == "" {
		return "", 0
	}
	if app, ok := r.tokens.appOf(conn, bot); ok {
		return app, 0
	}
	ws := conn.Workspace(facts.Identity)
	end, wait := r.reserve(c, ws, slack.MethodBotsInfo, "app")
	if wait > 0 {
		return c.Status.AppID, wait
	}
	app, err = conn.API.BotApp(ctx, bot)
	end()
	e := slack.AsError(err)
	switch {
	case e == nil, !e.Class.Transient(): // without the scope it stays unknown
		r.tokens.noteApp(conn, bot, app)
		return app, 0
	case e.Class == slack.ClassRateLimited:
		r.penalize(ws, slack.MethodBotsInfo, e)
	}
	return c.Status.AppID, max(e.RetryAfter, longestPause)
}

// InteractionsPath is the path of the intake that takes what Slack sends for a
// SlackChannel.
func InteractionsPath(namespace, name string) string {
	return fmt.Sprintf("/v1/namespaces/%s/channels/%s/interactions", namespace, name)
}

// listening says whether the intake takes what Slack sends by HTTP.
func (r *Reconciler) listening(ctx context.Context, c *v1alpha1.SlackChannel) *metav1.Condition {
	if !r.Intake {
		return inactive(v1alpha1.ReasonIntakeDisabled,
			"the operator runs without --intake-bind-address, so that Slack can send it nothing: set it (in the args of its Deployment), or use Socket Mode (spec.interactions.appTokenSecretRef)")
	}
	c.Status.InteractionsAddress = InteractionsPath(c.Namespace, c.Name)
	_, err := r.Connections.SigningSecret(ctx, c)
	var problem *connection.Problem
	switch {
	case errors.As(err, &problem):
		return inactive(problem.Reason, problem.Message)
	case err != nil:
		return nil
	}
	return &metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInteractionsListening, Message: fmt.Sprintf(
		"what people press is taken at %s of the operator's intake: enter that address, as Slack reaches it, as the app's Request URL under Interactivity & Shortcuts", c.Status.InteractionsAddress)}
}

// connected says how the connection by Socket Mode is doing; nil when there is
// nothing new to say.
func (r *Reconciler) connected(c *v1alpha1.SlackChannel, app string) *metav1.Condition {
	var v sockets.View
	known := false
	if r.Sockets != nil {
		v, known = r.Sockets.View(client.ObjectKeyFromObject(c), c.UID)
	}
	switch {
	case !known || v.Settling:
		if was := conditions.Find(c, v1alpha1.ConditionInteractive); was != nil && was.ObservedGeneration == c.Generation {
			return nil
		}
		return &metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonConnecting, Message: "the connection to the Slack app is being opened"}
	case v.Problem != nil:
		return inactive(v.Problem.Reason, v.Problem.Message)
	case !v.State.Connected:
		return r.disconnected(c, v.State)
	case app != "" && v.State.AppID != "" && app != v.State.AppID:
		return inactive(v1alpha1.ReasonAppMismatch, fmt.Sprintf(
			"the app-level token in %s is of the app %s, and the bot token in Secret %s/%s of the app %s, so that no click arrives: put tokens of one app into both",
			connection.AppTokenPlace(c), v.State.AppID, c.Namespace, c.Spec.WebAPI.TokenSecretRef.Name, app))
	case v.Shared || v.Foreign:
		return inactive(v1alpha1.ReasonConnectionShared, sharedMessage(v))
	}
	named := v.State.AppID
	if named == "" {
		named = "whose ID Slack did not tell"
	}
	return &metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonConnected, Message: "the operator is connected to the app " + named + " by Socket Mode"}
}

func sharedMessage(v sockets.View) string {
	seen := "Slack counts connections to the app %s that are not this operator's"
	if v.Foreign {
		seen = "a click on a message of another cluster came to this one, since both are connected to the app %s"
	}
	return fmt.Sprintf(seen, v.State.AppID) + ", and sends each click to any of them, so that some are lost: give each cluster and each program a Slack app of its own (by the same manifest), and put its tokens into the Secrets; " +
		"if nothing else is connected, this ends by itself within an hour"
}

func inactive(reason, message string) *metav1.Condition {
	return &metav1.Condition{Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// disconnected says why there is no connection. Nothing in it changes from try to
// try.
func (r *Reconciler) disconnected(c *v1alpha1.SlackChannel, s socket.State) *metav1.Condition {
	place := connection.AppTokenPlace(c)
	later := fmt.Sprintf("it is tried again every 10 minutes, as soon as the Secret changes, and at once when the annotation %s changes", v1alpha1.AnnotationRequestedAt)
	switch {
	case s.Trouble == socket.Disabled:
		return inactive(v1alpha1.ReasonSocketModeDisabled, "Socket Mode is off in the settings of the Slack app: turn it on (api.slack.com/apps, Socket Mode), and Interactivity too; "+later)
	case s.Trouble == socket.TooMany:
		return inactive(v1alpha1.ReasonTooManyConnections, "the Slack app has ten connections already, and Slack opens no more: end other programs that use its app-level tokens, or give the cluster an app of its own; it is tried again every minute")
	case s.Err == nil:
		return inactive(v1alpha1.ReasonDisconnected, "the connection to the Slack app was lost ("+string(s.Trouble)+"), and clicks do not arrive; it is opened again by itself")
	case s.Err.Class == slack.ClassMissingScope:
		return inactive(v1alpha1.ReasonMissingScope, fmt.Sprintf(
			"the app-level token in %s lacks the scope connections:write: make one that has it (Basic Information, App-Level Tokens, in the settings of the Slack app), and put that there; %s", place, later))
	case s.Err.Class == slack.ClassInvalidCredentials, s.Err.Class == slack.ClassAccessDenied:
		return inactive(v1alpha1.ReasonInvalidAppToken, fmt.Sprintf(
			"Slack answered %s to %s: put a valid app-level token (xapp-…, with the scope connections:write) of the app into %s; %s", s.Err.Code, s.Err.Method, place, later))
	}
	if s.Err.Class.Transient() {
		later = "it is tried again by itself every minute"
	}
	return inactive(v1alpha1.ReasonDisconnected, fmt.Sprintf("%v; clicks do not arrive; %s", s.Err, later))
}
