//go:build linux

package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// stream is somebody who asks for messages all the time, in several channels.
type stream struct {
	namespace string
	stop      context.CancelFunc
	// asked are the names of the messages, once it is stopped; err is why there are
	// no more.
	asked []string
	err   error
	done  chan struct{}
}

// rooms of the simulated Slack. In each of them Slack takes a message a second.
var rooms = []string{"alerts", "deploys", "general"}

// newStream makes a namespace with a SlackChannel for each room, and begins.
func newStream(t *testing.T, namespace string) *stream {
	t.Helper()
	furnishNamespace(t, namespace)
	for _, room := range rooms[1:] {
		apply(t, fmt.Sprintf("apiVersion: slack.notify.dev/v1alpha1\nkind: SlackChannel\nmetadata: {name: %s, namespace: %s}\nspec: {webAPI: {tokenSecretRef: {name: slack-bot}, channel: \"#%s\"}}\n", room, namespace, room))
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &stream{namespace: namespace, stop: stop, done: make(chan struct{})}
	go s.ask(ctx)
	t.Cleanup(func() { stop(); <-s.done })
	return s
}

func (s *stream) ask(ctx context.Context) {
	defer close(s.done)
	ticks := time.NewTicker(time.Second / 4)
	defer ticks.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		name := fmt.Sprintf("m%04d", i)
		sln := &v1alpha1.SlackNotification{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
			Spec:       v1alpha1.SlackNotificationSpec{ChannelRef: v1alpha1.ChannelReference{Name: rooms[i%len(rooms)]}, Content: v1alpha1.Content{Text: "text of " + s.namespace + "/" + name}},
		}
		// Not by the context that ends the stream, or it would not be known whether the last was taken.
		if err := node.client.Create(context.WithoutCancel(ctx), sln); err != nil {
			s.err = fmt.Errorf("asking for %s: %w", name, err)
			return
		}
		s.asked = append(s.asked, name)
	}
}

// flows waits until so many more messages are in Slack.
func (s *stream) flows(t *testing.T, more int) {
	t.Helper()
	want := len(inSlack(t, s.namespace)) + more
	await(t, fmt.Sprintf("%d more messages are in Slack", more), func(context.Context) (bool, error) {
		return len(inSlack(t, s.namespace)) >= want, nil
	})
}

// arrived ends the stream and waits until all is delivered: none is lost, none has
// come twice.
func (s *stream) arrived(t *testing.T) {
	t.Helper()
	s.stop()
	<-s.done
	if s.err != nil {
		t.Fatal(s.err)
	}
	await(t, "all messages are delivered", func(ctx context.Context) (bool, error) { return allDelivered(ctx, s.namespace) })
	got := inSlack(t, s.namespace)
	for _, name := range s.asked {
		if got[name] != 1 {
			t.Errorf("%s is %d times in Slack, want once", name, got[name])
		}
	}
	t.Logf("%d messages were asked for meanwhile", len(s.asked))
}

// allDelivered says whether all SlackNotifications of a namespace are.
func allDelivered(ctx context.Context, namespace string) (bool, error) {
	var list v1alpha1.SlackNotificationList
	if err := node.client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return false, err
	}
	left := 0
	for _, sln := range list.Items {
		if sln.Status.Phase != v1alpha1.PhaseDelivered {
			left++
		}
	}
	return left == 0, fmt.Errorf("%d of %d are not", left, len(list.Items))
}

// An operator of before there was a version, deployed as its own Makefile did, is
// upgraded as the documentation says, while messages are asked for all the time.
func TestUpgradeUnderTraffic(t *testing.T) {
	s := stranger{tools: t.TempDir()}
	s.types(t, time.Minute, beforeDir, "make deploy IMG="+beforeImage)
	s.rolledOut(t)
	s.runs(t, beforeImage)
	messages := newStream(t, "update")
	messages.flows(t, 10)
	t.Run("upgraded", func(t *testing.T) {
		s.types(t, time.Minute, cloneDir+"/dist", inline(t, "docs/operating.md", "kubectl apply --server-side -f install.yaml"))
		s.rolledOut(t)
		s.runs(t, image)
		messages.flows(t, 10)
	})
	t.Run("replaced by the same", func(t *testing.T) {
		kubectl(t, "rollout", "restart", "-n", operatorNamespace, "deployment/"+deployment)
		s.rolledOut(t)
		messages.flows(t, 10)
	})
	messages.arrived(t)
	s.types(t, time.Minute, cloneDir+"/dist", harness.Fences(documented(t, "docs/operating.md"), "Uninstalling", "sh")[0])
	kubectl(t, "delete", "namespace", "update", "--timeout=1m")
	nothingLeft(t)
}
