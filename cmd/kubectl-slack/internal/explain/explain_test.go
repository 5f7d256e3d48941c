package explain

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

var now = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

// setUp is one in which all is well: an operator that leads, a SlackChannel, its
// Secret and a message that is out. Each row breaks something.
type setUp struct {
	operator *appsv1.Deployment
	lease    *coordinationv1.Lease
	channel  *v1alpha1.SlackChannel
	secret   *corev1.Secret
	n        *v1alpha1.SlackNotification
	more     []client.Object
	// explained is n when nil, and forbidden are the kinds that may not be read.
	explained client.Object
	forbidden string
}

func well() *setUp {
	holder, seconds, renewed, replicas := "pod-1_uuid", int32(15), metav1.NewMicroTime(now.Add(-time.Second)), int32(2)
	s := &setUp{}
	s.operator = &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: OperatorNamespace, Name: "controller-manager", Labels: map[string]string{"app.kubernetes.io/name": "slack-notifier"}}}
	s.operator.Spec.Replicas, s.operator.Status.ReadyReplicas = &replicas, 2
	s.operator.Spec.Template.Spec.Containers = []corev1.Container{{Name: "manager", Args: []string{"--leader-elect"}}}
	s.lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: OperatorNamespace, Name: LeaseName}}
	s.lease.Spec = coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &renewed}
	s.channel = &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "alerts", Generation: 1, CreationTimestamp: ago(time.Hour)}}
	s.channel.Spec.WebAPI = &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "slack-bot"}, Channel: "#alerts"}
	s.channel.Status.ObservedGeneration = 1
	s.channel.Status.Workspace = &v1alpha1.Workspace{ID: "T0", Name: "Acme", URL: "https://acme.slack.com/"}
	ready(&s.channel.Status.Conditions, "True", v1alpha1.ReasonVerified, "channel #alerts was found")
	s.secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "slack-bot"}, Data: map[string][]byte{"token": []byte("xoxb-plantedsecret")}}
	s.n = &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "n", UID: "n", Generation: 1, CreationTimestamp: ago(10 * time.Minute)}}
	s.n.Spec.ChannelRef.Name = "alerts"
	finished := ago(9 * time.Minute)
	s.n.Status = v1alpha1.SlackNotificationStatus{ObservedGeneration: 1, Phase: v1alpha1.PhaseDelivered, Summary: "1/1", FinishedAt: &finished,
		Deliveries: []v1alpha1.Delivery{{Recipient: "default", State: v1alpha1.DeliveryDelivered, Permalink: "https://acme.slack.com/archives/C0/p1", Attempts: 1}}}
	return s
}

func ready(list *[]metav1.Condition, status metav1.ConditionStatus, reason, message string) {
	*list = append((*list)[:0], metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message, ObservedGeneration: 1})
}

// broken has the SlackChannel not be ready.
func (s *setUp) broken(reason, message string) {
	ready(&s.channel.Status.Conditions, "False", reason, message)
	s.waiting(reason, message)
}

// waiting has the message not be out.
func (s *setUp) waiting(reason, message string) {
	s.n.Status.Phase, s.n.Status.FinishedAt = v1alpha1.PhasePending, nil
	s.n.Status.Deliveries = []v1alpha1.Delivery{{Recipient: "default", State: v1alpha1.DeliveryPending, Reason: reason, Message: message}}
}

// failed has the message fail for a recipient.
func (s *setUp) failed(recipient, reason, message string) {
	s.n.Status.Phase = v1alpha1.PhaseFailed
	s.n.Status.Deliveries = []v1alpha1.Delivery{{Recipient: recipient, State: v1alpha1.DeliveryFailed, Reason: reason, Message: message, Attempts: 2}}
}

// unseen has no operator look at the message.
func (s *setUp) unseen() { s.n.Status = v1alpha1.SlackNotificationStatus{ObservedGeneration: -1} }

func (s *setUp) explain(t *testing.T) []Line {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, clientgoscheme.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	var objects []client.Object
	if s.operator != nil {
		objects = append(objects, s.operator)
	}
	if s.lease != nil {
		objects = append(objects, s.lease)
	}
	if s.channel != nil {
		objects = append(objects, s.channel)
	}
	if s.secret != nil {
		objects = append(objects, s.secret)
	}
	objects = append(append(objects, s.n), s.more...)
	refuse := func(o runtime.Object) error {
		kind := o.GetObjectKind().GroupVersionKind().Kind
		if gvk, _, err := scheme.ObjectKinds(o); err == nil {
			kind = gvk[0].Kind
		}
		if kind = strings.TrimSuffix(kind, "List"); strings.Contains(s.forbidden, kind) && kind != "" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "x", nil)
		}
		return nil
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithReturnManagedFields().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if _, content := o.(*corev1.Secret); content {
				t.Error("the content of a Secret is read")
			}
			if err := refuse(o); err != nil {
				return err
			}
			return w.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, w client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if err := refuse(list); err != nil {
				return err
			}
			return w.List(ctx, list, opts...)
		},
	}).Build()
	o := s.explained
	if o == nil {
		o = s.n
	}
	return Explain(Gather(t.Context(), c, o, now))
}

// Each broken set-up is told by its cause, which comes first, and the way out.
func TestBrokenSetUps(t *testing.T) {
	tests := []struct {
		name       string
		breakIt    func(*setUp)
		cause, way string
		// unknown is what is told to be unknown instead, where rights are missing.
		unknown string
	}{
		{name: "all is well", breakIt: func(*setUp) {}},
		{name: "1 no operator", breakIt: func(s *setUp) { s.operator, s.lease = nil, nil; s.unseen() }, cause: "there is no Deployment of one", way: "kubectl apply -k config/default"},
		{name: "2 no replica is ready", breakIt: func(s *setUp) { s.operator.Status.ReadyReplicas = 0; s.unseen() }, cause: "0 of 2 replicas", way: "kubectl describe deploy/controller-manager"},
		{name: "3 nobody leads", breakIt: func(s *setUp) {
			renewed := metav1.NewMicroTime(now.Add(-time.Hour))
			s.lease.Spec.RenewTime = &renewed
			s.operator.Status.ReadyReplicas = 0
			s.unseen()
		}, cause: "no operator is ready", way: "kubectl describe"},
		{name: "4 the Lease has no holder", breakIt: func(s *setUp) {
			*s.lease.Spec.HolderIdentity = ""
			s.explained = s.channel
			s.channel.Status.ObservedGeneration = 0
		}, cause: "no operator has looked at this object as it is now, though one is ready", way: "kubectl logs"},
		{name: "5 the namespace is not watched", breakIt: func(s *setUp) {
			s.operator.Spec.Template.Spec.Containers[0].Args = []string{"--watch-namespaces=team-b,team-c"}
			s.unseen()
		}, cause: "watches other namespaces only: team-b, team-c", way: "add team-a to --watch-namespaces"},
		{name: "6 another shard's labels", breakIt: func(s *setUp) {
			s.operator.Spec.Template.Spec.Containers[0].Args = []string{"--watch-label-selector", "shard=one"}
			s.n.Labels = map[string]string{"shard": "two"}
			s.unseen()
		}, cause: "labels shard=one only (--watch-label-selector), and this one has shard=two", way: "kubectl label"},
		{name: "7 no SlackChannel", breakIt: func(s *setUp) { s.channel = nil; s.waiting("SlackChannelNotFound", "none") }, cause: "SlackChannel team-a/alerts does not exist", way: "correct spec.channelRef"},
		{name: "8 a namespace that is not allowed", breakIt: func(s *setUp) {
			s.channel.Namespace, s.secret.Namespace = "platform", "platform"
			s.n.Spec.ChannelRef.Namespace = "platform"
			s.waiting("NamespaceNotAllowed", "not allowed")
		}, cause: "does not let namespace team-a refer to it", way: "spec.allowedNamespaces"},
		{name: "9 no Secret", breakIt: func(s *setUp) { s.secret = nil; s.broken(v1alpha1.ReasonSecretNotFound, "no Secret") }, cause: "Secret team-a/slack-bot does not exist (spec.webAPI.tokenSecretRef)", way: "kubectl create secret generic slack-bot -n team-a --from-literal=token=…"},
		{name: "10 the Secret lacks the key", breakIt: func(s *setUp) {
			s.secret.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: "Update", APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:apiToken":{}},"f:type":{}}`)}}
			s.broken(v1alpha1.ReasonSecretKeyNotFound, "no key")
		}, cause: `has no key "token", but apiToken`, way: "spec.webAPI.tokenSecretRef.key"},
		{name: "11 a token that Slack refuses", breakIt: func(s *setUp) {
			s.broken(v1alpha1.ReasonInvalidToken, "Slack answered invalid_auth: put a valid bot token in the Secret")
		}, cause: "Slack answered invalid_auth", way: "kubectl slack verify slc/alerts -n team-a"},
		{name: "12 a missing scope", breakIt: func(s *setUp) {
			s.broken(v1alpha1.ReasonMissingScope, "add the bot scope channels:read to the Slack app")
		}, cause: "add the bot scope channels:read", way: "kubectl slack verify"},
		{name: "13 the bot is not in the channel", breakIt: func(s *setUp) { s.broken(v1alpha1.ReasonNotInChannel, "type /invite in the channel") }, cause: "(NotInChannel): type /invite", way: "kubectl slack verify"},
		{name: "14 a suspended SlackChannel", breakIt: func(s *setUp) { s.channel.Spec.Suspend = true; s.waiting("Suspended", "suspended") }, cause: "spec.suspend of SlackChannel team-a/alerts stops all deliveries", way: "set spec.suspend of the SlackChannel to false"},
		{name: "15 a suspended message", breakIt: func(s *setUp) { s.n.Spec.Suspend = true; s.waiting("Suspended", "suspended") }, cause: "spec.suspend holds it", way: `'{"spec":{"suspend":false}}'`},
		{name: "16 a person who is not found", breakIt: func(s *setUp) { s.failed("user:yueh.lu", v1alpha1.ReasonUserNotFound, `nobody goes by "yueh.lu"`) }, cause: `failed after 2 attempts (UserNotFound): nobody goes by "yueh.lu"`, way: "kubectl slack resend sln/n -n team-a"},
		{name: "17 an unknown outcome", breakIt: func(s *setUp) {
			s.failed("default", v1alpha1.ReasonOutcomeUnknown, "no answer")
			s.n.Status.Deliveries[0].State = v1alpha1.DeliveryUnknown
		}, cause: "nobody knows whether Slack has taken it", way: "--again --recipient default"},
		{name: "18 a parent that does not exist", breakIt: func(s *setUp) {
			s.n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: "gone"}}
			s.waiting("ParentNotFound", "waits")
		}, cause: "a reply to SlackNotification gone, which does not exist in namespace team-a", way: "spec.thread.notificationRef"},
		{name: "19 a parent that is not out", breakIt: func(s *setUp) {
			parent := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "first", UID: "first"}}
			parent.Status.Phase = v1alpha1.PhaseFailed
			s.more = append(s.more, parent)
			s.n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: "first"}}
			s.waiting("ParentNotDelivered", "waits")
		}, cause: "it waits for SlackNotification first, to which it is a reply, and which is Failed", way: "kubectl slack explain sln/first -n team-a"},
		{name: "20 a deadline that is over", breakIt: func(s *setUp) {
			seconds := int64(60)
			s.n.Spec.ActiveDeadlineSeconds = &seconds
			s.failed("default", v1alpha1.ReasonDeadlineExceeded, "over")
		}, cause: "its time was over at 2026-11-24T07:51:00Z", way: "activeDeadlineSeconds"},
		{name: "21 Slack does not answer", breakIt: func(s *setUp) {
			s.waiting(v1alpha1.ReasonSlackUnavailable, "Slack did not answer; it is tried again")
			s.n.Status.Deliveries[0].State = v1alpha1.DeliveryRetrying
		}, cause: "retrying, 0 attempts so far (SlackUnavailable): Slack did not answer", way: ""},
		{name: "22 a rule whose kind may not be watched", breakIt: func(s *setUp) {
			rule := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "r", Generation: 1, CreationTimestamp: ago(time.Hour)}}
			rule.Spec.ChannelRef.Name, rule.Status.ObservedGeneration = "alerts", 1
			ready(&rule.Status.Conditions, "False", v1alpha1.ReasonWatchForbidden, "add a ClusterRole with the label aggregate-to-watch")
			s.more, s.explained = append(s.more, rule), rule
		}, cause: "WatchForbidden: add a ClusterRole", way: ""},
		{name: "few rights: the SlackChannel", breakIt: func(s *setUp) { s.forbidden = "SlackChannel" }, unknown: "you may not see SlackChannel team-a/alerts"},
		{name: "few rights: the Secret", breakIt: func(s *setUp) { s.forbidden = "Secret" }, unknown: "whether Secret team-a/slack-bot exists can't be told: forbidden"},
		{name: "few rights: the operator", breakIt: func(s *setUp) { s.forbidden = "Deployment Lease"; s.unseen() }, cause: "you may not see the operator's Deployments (forbidden)", way: "ask whoever runs the cluster", unknown: "you may not see who leads (forbidden)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := well()
			test.breakIt(s)
			lines := s.explain(t)
			var all []string
			for _, line := range lines {
				all = append(all, string(line.Mark)+" "+line.About+" "+line.Text+" → "+line.Do)
			}
			text := strings.Join(all, "\n")
			if strings.Contains(text, "plantedsecret") {
				t.Error("a secret is told")
			}
			cause := Cause(lines)
			switch {
			case test.cause == "" && cause != nil:
				t.Errorf("a problem is told: %s", cause.Text)
			case test.cause != "" && (cause == nil || !strings.Contains(cause.Text, test.cause) || !strings.Contains(cause.Do, test.way)):
				t.Errorf("want the first problem to be %q with the way out %q:\n%s", test.cause, test.way, text)
			}
			if test.unknown != "" && !strings.Contains(text, "unknown") || !strings.Contains(text, test.unknown) {
				t.Errorf("want it unknown that %q:\n%s", test.unknown, text)
			}
		})
	}
}

// A message that waits for its turn is told with its place, and is no problem.
func TestQueue(t *testing.T) {
	s := well()
	s.waiting(v1alpha1.ReasonWaitingForTurn, "waits for its turn")
	for _, name := range []string{"a", "b", "c"} {
		other := s.n.DeepCopy()
		other.Name, other.UID, other.CreationTimestamp = name, "", ago(time.Hour)
		s.more = append(s.more, other)
	}
	lines := s.explain(t)
	if cause := Cause(lines); cause != nil {
		t.Errorf("a problem is told: %s", cause.Text)
	}
	if last := lines[len(lines)-1]; !strings.HasPrefix(last.Text, "3 older messages to SlackChannel team-a/alerts") {
		t.Errorf("the last line is %q", last.Text)
	}
}
