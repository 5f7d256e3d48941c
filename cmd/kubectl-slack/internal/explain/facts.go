// Package explain says why a message was or was not delivered: by the object, its
// SlackChannel, the Secrets that it names, and the operator. Of Secrets it reads the
// metadata alone.
package explain

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/reference"
)

// OperatorNamespace is where config/default puts the operator.
const OperatorNamespace = "slack-notifier-system"

// LeaseName is how the names of the operator's Leases begin.
const LeaseName = "slack-notifier.slack.notify.dev"

// Facts are what is known of an object and of what it depends on.
type Facts struct {
	Now time.Time
	// Object is a SlackNotification, a SlackAlert or a SlackChannel.
	Object client.Object
	// ChannelKey names the SlackChannel, which is nil where it could not be read, and
	// ChannelErr says why.
	ChannelKey client.ObjectKey
	Channel    *v1alpha1.SlackChannel
	ChannelErr error
	// Allowed reports whether the SlackChannel lets the object's namespace refer to it;
	// AllowedErr says that it is not known.
	Allowed    bool
	AllowedErr error
	// Secrets that the SlackChannel names.
	Secrets []Secret
	// Parent is the message to reply to, which is nil where it could not be read.
	Parent    *v1alpha1.SlackNotification
	ParentErr error
	// Ahead are the messages to the same SlackChannel that are not done, and
	// AheadErr says that it is not known.
	Ahead    int
	AheadErr error
	// Operators are the Deployments of the operator.
	Operators    []Operator
	OperatorsErr error
	// Leases of the operator.
	Leases    []coordinationv1.Lease
	LeasesErr error
}

// Secret is what is known of a Secret without reading it.
type Secret struct {
	// Field that names it, and its Name and Key.
	Field, Name, Key string
	// Err is why it could not be read.
	Err error
	// Keys that it has, as far as those who wrote it are recorded; nil for not known.
	Keys []string
}

// Operator is a Deployment of the operator.
type Operator struct {
	Namespace, Name string
	// Ready replicas, and how many there are to be.
	Ready, Wanted int32
	// Namespaces and Selector are its filters; none when empty.
	Namespaces []string
	Selector   string
	// Intake is true when it takes posts.
	Intake bool
}

// covers reports whether an object is the operator's to look at.
func (o *Operator) covers(namespace string, set map[string]string) bool {
	if len(o.Namespaces) > 0 && !slices.Contains(o.Namespaces, namespace) {
		return false
	}
	selector, err := labels.Parse(o.Selector)
	return err != nil || selector.Matches(labels.Set(set))
}

// Gather reads what an object depends on. What may not be read is noted, not an
// error.
func Gather(ctx context.Context, r client.Reader, o client.Object, now time.Time) Facts {
	f := Facts{Now: now, Object: o}
	namespace := o.GetNamespace()
	var ref v1alpha1.ChannelReference
	switch o := o.(type) {
	case *v1alpha1.SlackChannel:
		f.ChannelKey, f.Channel = client.ObjectKeyFromObject(o), o
	case *v1alpha1.SlackNotification:
		ref = o.Spec.ChannelRef
		f.parent(ctx, r, o)
	case *v1alpha1.SlackAlert:
		ref = o.Spec.ChannelRef
	}
	if f.Channel == nil {
		f.ChannelKey = reference.Channel(ref, namespace)
		c := &v1alpha1.SlackChannel{}
		if f.ChannelErr = r.Get(ctx, f.ChannelKey, c); f.ChannelErr == nil {
			f.Channel = c
		}
	}
	if f.Channel != nil {
		f.Allowed, f.AllowedErr = reference.Allowed(ctx, r, namespace, f.Channel)
		f.secrets(ctx, r)
		f.ahead(ctx, r)
	}
	f.operators(ctx, r)
	f.leases(ctx, r)
	return f
}

func (f *Facts) parent(ctx context.Context, r client.Reader, n *v1alpha1.SlackNotification) {
	if n.Spec.Thread == nil || n.Spec.Thread.NotificationRef == nil {
		return
	}
	parent := &v1alpha1.SlackNotification{}
	if f.ParentErr = r.Get(ctx, client.ObjectKey{Namespace: n.Namespace, Name: n.Spec.Thread.NotificationRef.Name}, parent); f.ParentErr == nil {
		f.Parent = parent
	}
}

// secrets looks whether the Secrets of the SlackChannel are there.
func (f *Facts) secrets(ctx context.Context, r client.Reader) {
	spec := f.Channel.Spec
	add := func(field, name, key string) {
		s := Secret{Field: field, Name: name, Key: key}
		m := &metav1.PartialObjectMetadata{}
		m.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		if s.Err = r.Get(ctx, client.ObjectKey{Namespace: f.Channel.Namespace, Name: name}, m); s.Err == nil {
			s.Keys = dataKeys(m.ManagedFields)
		}
		f.Secrets = append(f.Secrets, s)
	}
	if w := spec.WebAPI; w != nil {
		add("spec.webAPI.tokenSecretRef", w.TokenSecretRef.Name, orDefault(w.TokenSecretRef.Key, "token"))
	}
	if w := spec.Webhook; w != nil {
		add("spec.webhook.urlSecretRef", w.URLSecretRef.Name, orDefault(w.URLSecretRef.Key, "url"))
	}
	if i := spec.Interactions; i != nil && i.AppTokenSecretRef != nil {
		add("spec.interactions.appTokenSecretRef", i.AppTokenSecretRef.Name, orDefault(i.AppTokenSecretRef.Key, "appToken"))
	}
	if i := spec.Interactions; i != nil && i.SigningSecretRef != nil {
		add("spec.interactions.signingSecretRef", i.SigningSecretRef.Name, orDefault(i.SigningSecretRef.Key, "signingSecret"))
	}
	if c := spec.Connection; c != nil && c.ProxySecretRef != nil {
		add("spec.connection.proxySecretRef", c.ProxySecretRef.Name, "address")
	}
	if c := spec.Connection; c != nil && c.CASecretRef != nil {
		add("spec.connection.caSecretRef", c.CASecretRef.Name, "ca.crt")
	}
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// dataKeys are the keys of a Secret's data by who has written them
// (kubernetes.io/docs/reference/using-api/server-side-apply, FieldsV1); nil when
// that is not recorded.
func dataKeys(fields []metav1.ManagedFieldsEntry) []string {
	var out []string
	for _, entry := range fields {
		if entry.FieldsV1 == nil {
			continue
		}
		for _, key := range keysOf(entry.FieldsV1.GetRawBytes(), "f:data") {
			if !slices.Contains(out, key) {
				out = append(out, key)
			}
		}
	}
	slices.Sort(out)
	return out
}

// ahead counts the messages that wait for the same SlackChannel.
func (f *Facts) ahead(ctx context.Context, r client.Reader) {
	n, ok := f.Object.(*v1alpha1.SlackNotification)
	if !ok || n.Status.FinishedAt != nil {
		return
	}
	list := &v1alpha1.SlackNotificationList{}
	if f.AheadErr = r.List(ctx, list); apierrors.IsForbidden(f.AheadErr) {
		f.AheadErr = r.List(ctx, list, client.InNamespace(n.Namespace))
	}
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID != n.UID && other.Status.FinishedAt == nil && !other.Spec.Suspend &&
			reference.Channel(other.Spec.ChannelRef, other.Namespace) == f.ChannelKey && other.CreationTimestamp.Before(&n.CreationTimestamp) {
			f.Ahead++
		}
	}
}

// operators reads the Deployments of the operator: of all namespaces, or else of the
// one that config/default has.
func (f *Facts) operators(ctx context.Context, r client.Reader) {
	list := &appsv1.DeploymentList{}
	label := client.MatchingLabels{"app.kubernetes.io/name": "slack-notifier"}
	if f.OperatorsErr = r.List(ctx, list, label); apierrors.IsForbidden(f.OperatorsErr) {
		f.OperatorsErr = r.List(ctx, list, label, client.InNamespace(OperatorNamespace))
	}
	for i := range list.Items {
		d := &list.Items[i]
		o := Operator{Namespace: d.Namespace, Name: d.Name, Ready: d.Status.ReadyReplicas, Wanted: 1}
		if d.Spec.Replicas != nil {
			o.Wanted = *d.Spec.Replicas
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			o.read(c.Args)
		}
		f.Operators = append(f.Operators, o)
	}
}

// read takes the filters from the operator's flags.
func (o *Operator) read(args []string) {
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok && i+1 < len(args) {
			value = args[i+1]
		}
		switch strings.TrimLeft(name, "-") {
		case "watch-namespaces":
			o.Namespaces = append(o.Namespaces, strings.Split(value, ",")...)
		case "watch-label-selector":
			o.Selector = value
		case "intake-bind-address":
			o.Intake = value != ""
		}
	}
}

// leases reads the Leases of the operators.
func (f *Facts) leases(ctx context.Context, r client.Reader) {
	namespaces := []string{OperatorNamespace}
	for _, o := range f.Operators {
		if !slices.Contains(namespaces, o.Namespace) {
			namespaces = append(namespaces, o.Namespace)
		}
	}
	for _, ns := range namespaces {
		list := &coordinationv1.LeaseList{}
		if err := r.List(ctx, list, client.InNamespace(ns)); err != nil {
			f.LeasesErr = errors.Join(f.LeasesErr, err)
			continue
		}
		for _, lease := range list.Items {
			if strings.HasPrefix(lease.Name, LeaseName) {
				f.Leases = append(f.Leases, lease)
			}
		}
	}
}
