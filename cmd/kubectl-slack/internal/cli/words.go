package cli

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"

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
	case apierrors.IsForbidden(err) && errors.As(err, &status):
		return forbidden(status)
	case apierrors.IsUnauthorized(err):
		return err.Error() + " (log in to the cluster; kubectl auth whoami says who you are)"
	}
	return err.Error()
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
