package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// restAfter is when the operator has just given back the garbage of its start, as it
// does 2, 6, 14 and 30 seconds after its caches are filled (internal/footprint).
const restAfter = 35 * time.Second

// start measures what a restart costs with many finished notifications.
func (b *bench) start() error {
	empty, err := b.restart("finished-0", 0)
	if err != nil {
		return err
	}
	b.say("## Start with finished SlackNotifications\n\nEach of which is to be deleted in a week (`ttlSecondsAfterFinished`). Memory is that of half a minute later.\n")
	b.say("| finished | s until one that was created then was delivered | CPU seconds | status writes for the others | posts | conversations read | MiB resident | KiB for each | of that in use |")
	b.say("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	b.say("| 0 | %.1f | %.1f | %d | %d | %d | %.0f | | |", empty.took.Seconds(), empty.cpu.Seconds(), empty.writes, empty.posts, empty.reads, empty.resident)
	for _, full := range []int{20000, 200000} {
		n := b.n(full)
		s, err := b.restart(fmt.Sprint("finished-", full), n)
		if err != nil {
			return err
		}
		each, used := (s.resident-empty.resident)*1024/float64(n), (s.heap-empty.heap)*1024/float64(n)
		b.say("| %d | %.1f | %.1f | %d | %d | %d | %.0f | %.2f | %.2f |", n, s.took.Seconds(), s.cpu.Seconds(), s.writes, s.posts, s.reads, s.resident, each, used)
		b.atMost(fmt.Sprintf("memory of a finished object, of %d, KiB resident", n), each, 1.5)
		b.atMost(fmt.Sprintf("status writes, posts and reads for %d finished objects at a start", n), float64(s.writes+s.posts+s.reads), 0)
	}
	return nil
}

// restarted is what a start has cost, without what the one that was created then did.
type restarted struct {
	took, cpu            time.Duration
	writes, posts, reads int
	resident, heap       float64
}

// restart starts an operator in a namespace with n finished notifications.
func (b *bench) restart(ns string, n int) (r restarted, err error) {
	if err := b.prepare(ns); err != nil {
		return r, err
	}
	if err := b.finished(ns, n); err != nil {
		return r, err
	}
	writes, err := b.statusWrites()
	if err != nil {
		return r, err
	}
	before, _, err := b.calls(b.env.Slack)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	o, err := b.operator(ns, "--pprof-bind-address="+profileAddress)
	if err != nil {
		return r, err
	}
	defer o.Stop()
	// What is created now comes after all that there was.
	if err := b.env.Client.Create(b.ctx, note(ns, "c", channelID(0), n)); err != nil {
		return r, err
	}
	if err := b.delivered(writes, 1); err != nil {
		return r, err
	}
	r.took, r.cpu = time.Since(begin), cpuOf(o.Cmd.Process.Pid)
	time.Sleep(restAfter)
	r.resident = residentOf(o.Cmd.Process.Pid)
	if r.heap, err = heapOf(profileAddress, os.Getenv("BENCH_PROFILE")); err != nil {
		return r, err
	}
	after, err := b.statusWrites()
	if err != nil {
		return r, err
	}
	calls, _, err := b.calls(b.env.Slack)
	r.writes = after - writes - 1
	r.posts = calls.Count("chat.postMessage") - before.Count("chat.postMessage") - 1
	r.reads = calls.Count("conversations.history") - before.Count("conversations.history")
	return r, err
}

// finished makes notifications that look as if they had been delivered, and are to be
// deleted in a week: one through the API server, and the others as etcd's copies of
// it, since at two writes each 200,000 would take half an hour.
func (b *bench) finished(ns string, n int) error {
	if n == 0 {
		return nil
	}
	first := note(ns, "c", channelID(0), 0)
	first.Spec.TTLSecondsAfterFinished = ptr.To[int32](7 * 24 * 3600)
	if err := b.env.Client.Create(b.ctx, first); err != nil {
		return err
	}
	first.Status = fullStatus(first, "1700000000.000100")
	if err := b.env.Client.Status().Update(b.ctx, first); err != nil {
		return err
	}
	if err := b.copies(first, n); err != nil {
		return err
	}
	return b.until(func() (bool, error) {
		list := &v1alpha1.SlackNotificationList{}
		err := b.env.Client.List(b.ctx, list, client.InNamespace(ns), client.Limit(1))
		return len(list.Items) == 1 && ptr.Deref(list.RemainingItemCount, 0) == int64(n-1), err
	})
}

// copies has etcd hold n notifications like the first, which is one of them, each with
// a name and a UID of its own.
func (b *bench) copies(first *v1alpha1.SlackNotification, n int) error {
	key := func(name string) string {
		return encode("/registry/" + v1alpha1.GroupVersion.Group + "/slacknotifications/" + first.Namespace + "/" + name)
	}
	var found struct {
		Kvs []struct {
			Value []byte `json:"value"`
		} `json:"kvs"`
	}
	if err := b.etcd("range", map[string]any{"key": key(first.Name)}, &found); err != nil {
		return err
	}
	if len(found.Kvs) != 1 {
		return fmt.Errorf("etcd has %d values for %s", len(found.Kvs), first.Name)
	}
	stored := string(found.Kvs[0].Value)
	// Less than the 128 operations that etcd takes in a transaction.
	const batch = 100
	return side((n+batch-1)/batch, 0, func(part int) error {
		var puts []any
		for i := max(1, part*batch); i < min(n, (part+1)*batch); i++ {
			name := fmt.Sprintf("n%06d", i)
			value := strings.NewReplacer(first.Name, name, string(first.UID), string(uuid.NewUUID())).Replace(stored)
			puts = append(puts, map[string]any{"requestPut": map[string]string{"key": key(name), "value": encode(value)}})
		}
		return b.etcd("txn", map[string]any{"success": puts}, nil)
	})
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// etcd asks etcd's JSON gateway (etcd.io/docs/v3.6/dev-guide/api_grpc_gateway).
func (b *bench) etcd(method string, request, answer any) error {
	data, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, b.env.Cluster.EtcdURL()+"/v3/kv/"+method, bytes.NewReader(data))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if data, err = io.ReadAll(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd: %s: %s", resp.Status, data)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(data, answer)
}

// fullStatus is a status as the operator writes it.
func fullStatus(o *v1alpha1.SlackNotification, ts string) v1alpha1.SlackNotificationStatus {
	now := metav1.Now()
	recipient := o.Spec.Recipients[0].Channel
	return v1alpha1.SlackNotificationStatus{
		ObservedGeneration: o.Generation, Phase: v1alpha1.PhaseDelivered, Summary: "1/1", FinishedAt: &now,
		Deliveries: []v1alpha1.Delivery{{
			Recipient: "channel:" + recipient, State: v1alpha1.DeliveryDelivered, Attempts: 1, LastAttemptAt: &now, DeliveredAt: &now,
			ConversationID: recipient, Timestamp: ts, ContentHash: "0123456789abcdef",
			Permalink: "https://acme.slack.com/archives/" + recipient + "/p" + strings.ReplaceAll(ts, ".", ""),
		}},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonDelivered,
			Message: "delivered to " + recipient, LastTransitionTime: now, ObservedGeneration: o.Generation}},
	}
}
