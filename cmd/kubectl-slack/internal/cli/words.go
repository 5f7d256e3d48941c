package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// words says what is wrong, and what to do where the error itself does not.
func words(err error) string {
	var missing *meta.NoKindMatchError
	var resource *meta.NoResourceMatchError
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &missing) && missing.GroupKind.Group == v1alpha1.GroupVersion.Group,
		errors.As(err, &resource) && resource.PartialResource.Group == v1alpha1.GroupVersion.Group:
		return "this cluster does not have the kinds of slack-notifier: install the operator, or its CustomResourceDefinitions alone by kubectl apply --server-side -k config/crd"
	case errors.As(err, new(*url.Error)):
		return fmt.Sprintf("the cluster can't be reached: %v; kubectl config current-context says which one is meant", err)
	case apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "strict decoding error"):
		return err.Error() + ": the kinds of this cluster are of another version; kubectl slack check says which"
	case apierrors.IsNotFound(err) && errors.As(err, &status) && ours(status):
		return notFound(status)
	case apierrors.IsForbidden(err) && errors.As(err, &status):
		return forbidden(status)
	case apierrors.IsUnauthorized(err):
		return err.Error() + " (log in to the cluster; kubectl auth whoami says who you are)"
	}
	return err.Error()
}

// ours reports whether an error is about one of the operator's kinds.
func ours(status apierrors.APIStatus) bool {
	d := status.Status().Details
	return d != nil && d.Group == v1alpha1.GroupVersion.Group && d.Name != ""
}

// notFound says where to look.
func notFound(status apierrors.APIStatus) string {
	s := status.Status()
	return fmt.Sprintf("%s in this namespace (-n names another; kubectl get %s -A lists all)", s.Message, s.Details.Kind)
}

// argCount refuses fewer arguments than least, or more than most unless that is -1,
// with a sentence of what to give.
func argCount(least, most int, instead string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return errors.New(instead)
		}
		return nil
	}
}

// onlyCommands is for a command that has nothing but commands below it: a word that is
// none of them is an error, and not a wish for help.
func onlyCommands(c *cobra.Command) {
	c.FParseErrWhitelist.UnknownFlags = true // they are those of the command that is meant
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		text := fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath())
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			text += ": did you mean " + strings.Join(near, " or ") + "?"
		}
		return errors.New(text)
	}
}

// brokenFlags has a flag that is wrong be told by exitBroken, where exitNo is an answer.
func brokenFlags(c *cobra.Command) {
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return broken(err) })
}

// forbidden says which right is missing.
func forbidden(status apierrors.APIStatus) string {
	s := status.Status()
	return fmt.Sprintf("you may not do this: %s\nAsk for a Role that allows it; the ClusterRoles slack-notifier-viewer-role and slack-notifier-editor-role are made to be bound to people in their namespace.", s.Message)
}

// browse opens an address or a file in the browser of the desktop.
func browse(what string) error {
	command, args := "xdg-open", []string{what}
	switch runtime.GOOS {
	case "darwin":
		command = "open"
	case "windows":
		command, args = "rundll32", []string{"url.dll,FileProtocolHandler", what}
	}
	if err := exec.Command(command, args...).Start(); err != nil { //nolint:gosec // a fixed program, and a file of ours or an address that is percent-encoded
		return fmt.Errorf("no browser can be opened (%w): open %s yourself", err, what)
	}
	return nil
}
