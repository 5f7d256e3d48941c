package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/schema"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/reference"
)

// sources are where objects come from.
type sources struct {
	files resource.FilenameOptions
}

func (s *sources) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVarP(&s.files.Filenames, "filename", "f", nil, "Files, directories or addresses with objects; - is the standard input.")
	f.BoolVarP(&s.files.Recursive, "recursive", "R", false, "Read the directories below those of -f too.")
	f.StringVarP(&s.files.Kustomize, "kustomize", "k", "", "A directory with a kustomization.")
	_ = c.MarkFlagFilename("filename", "yaml", "yml", "json") // the flag is there
}

// given reports whether there is anything to read.
func (s *sources) given() bool { return len(s.files.Filenames) > 0 || s.files.Kustomize != "" }

// wholeCluster are kinds without a namespace that rules often watch; what is read
// from a file without a namespace is of one of them, or of the namespace that is
// asked for.
var wholeCluster = []string{"Node", "Namespace", "PersistentVolume", "CustomResourceDefinition", "ClusterIssuer", "StorageClass", "APIService", "CSINode"}

// load reads objects: from files without asking the cluster, and by TYPE/NAME from it.
func (a *app) load(s *sources, args []string) ([]*unstructured.Unstructured, error) {
	ns, err := a.namespace()
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	read := func(b *resource.Builder) error {
		infos, err := b.Flatten().Do().Infos()
		if err != nil {
			return err
		}
		for _, info := range infos {
			o, ok := info.Object.(*unstructured.Unstructured)
			if !ok {
				return fmt.Errorf("%s is no object", info.Source)
			}
			if o.GetNamespace() == "" && !slices.Contains(wholeCluster, o.GetKind()) && (info.Mapping == nil || info.Namespaced()) {
				o.SetNamespace(ns)
			}
			out = append(out, o)
		}
		return nil
	}
	if s.given() {
		if err := s.files.RequireFilenameOrKustomize(); err != nil {
			return nil, err
		}
		if err := read(resource.NewLocalBuilder().Unstructured().FilenameParam(false, &s.files)); err != nil {
			return nil, err
		}
	}
	if len(args) > 0 {
		b := resource.NewBuilder(a.flags).Unstructured().NamespaceParam(ns).DefaultNamespace().ResourceTypeOrNameArgs(false, args...)
		if err := read(b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// objects that were read, by what they are.
type objects struct {
	notifications []*v1alpha1.SlackNotification
	alerts        []*v1alpha1.SlackAlert
	channels      map[client.ObjectKey]*v1alpha1.SlackChannel
	others        []*unstructured.Unstructured
	// refused says why the API server would refuse objects, by kind, namespace and name.
	refused map[string][]string
}

func refusedKey(kind, namespace, name string) string { return kind + " " + namespace + "/" + name }

// sort checks the objects of the operator's kinds as the API server does.
func sortObjects(ctx context.Context, list []*unstructured.Unstructured) (*objects, error) {
	out := &objects{channels: map[client.ObjectKey]*v1alpha1.SlackChannel{}, refused: map[string][]string{}}
	for _, o := range list {
		if o.GroupVersionKind().Group != v1alpha1.GroupVersion.Group {
			out.others = append(out.others, o)
			continue
		}
		checked, refusals, err := schema.Check(ctx, o)
		if err != nil {
			return nil, err
		}
		if checked == nil {
			return nil, fmt.Errorf("%s %s: %s", o.GetKind(), o.GetName(), strings.Join(refusals, "; "))
		}
		if len(refusals) > 0 {
			out.refused[refusedKey(o.GetKind(), o.GetNamespace(), o.GetName())] = refusals
		}
		if err := out.add(checked); err != nil {
			return nil, fmt.Errorf("%s %s would be refused by the API server: %s", o.GetKind(), o.GetName(), strings.Join(append(refusals, err.Error()), "; "))
		}
	}
	return out, nil
}

func (s *objects) add(o *unstructured.Unstructured) error {
	switch o.GetKind() {
	case "SlackNotification":
		n := &v1alpha1.SlackNotification{}
		if err := schema.Into(o, n); err != nil {
			return err
		}
		s.notifications = append(s.notifications, n)
	case "SlackAlert":
		alert := &v1alpha1.SlackAlert{}
		if err := schema.Into(o, alert); err != nil {
			return err
		}
		s.alerts = append(s.alerts, alert)
	case "SlackChannel":
		c := &v1alpha1.SlackChannel{}
		if err := schema.Into(o, c); err != nil {
			return err
		}
		s.channels[client.ObjectKeyFromObject(c)] = c
	}
	return nil
}

// channel finds the SlackChannel of a reference: among what was read, or with ask in
// the cluster. It is nil where it is not known.
func (a *app) channel(ctx context.Context, s *objects, ref v1alpha1.ChannelReference, namespace string, ask bool) (*v1alpha1.SlackChannel, error) {
	key := reference.Channel(ref, namespace)
	if c := s.channels[key]; c != nil || !ask {
		return c, nil
	}
	cluster, err := a.client()
	if err != nil {
		return nil, err
	}
	c := &v1alpha1.SlackChannel{}
	err = cluster.Get(ctx, key, c)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil // shown as not known
	case err != nil:
		return nil, err
	}
	s.channels[key] = c
	return c, nil
}

// clusterHash names the cluster as its buttons do; empty where one may not ask.
func (a *app) clusterHash(ctx context.Context) string {
	cluster, err := a.client()
	if err != nil {
		return ""
	}
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if cluster.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, ns) != nil {
		return "" // told in a note
	}
	return interact.ClusterHash(ns.UID)
}

// readPayloads reads the bodies of posts.
func readPayloads(files []string) ([][]byte, error) {
	var out [][]byte
	for _, name := range files {
		data, err := os.ReadFile(name) //nolint:gosec // the user names it
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}
