package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// rawWorkers of the bare client.
const rawWorkers = 16

// raw is what the operator is measured against: a bare watch that posts each
// new SlackNotification at once and writes its status, both the same as the
// operator's, and does nothing else:
// no look-up, no pacing, no retry, no recovery.
func raw(kubeconfig, slackURL, namespace string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = -1, -1
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	version := ""
	follow := func() (watch.Interface, error) {
		return c.Watch(ctx, &v1alpha1.SlackNotificationList{}, client.InNamespace(namespace),
			&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}})
	}
	watching, err := follow()
	if err != nil {
		return err
	}
	defer func() { watching.Stop() }()
	fmt.Println("ready")
	work := make(chan *v1alpha1.SlackNotification, 100_000)
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: rawWorkers}, Timeout: 10 * time.Second}
	var group sync.WaitGroup
	defer group.Wait()
	defer close(work)
	for range rawWorkers {
		group.Go(func() {
			for n := range work {
				if err := rawDeliver(ctx, c, web, slackURL, n); err != nil && ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, "raw:", err)
				}
			}
		})
	}
	for {
		for e := range watching.ResultChan() {
			if n, isOne := e.Object.(*v1alpha1.SlackNotification); isOne {
				version = n.ResourceVersion
				if e.Type == watch.Added {
					work <- n
				}
			}
		}
		// The API server ends the watches of a CRD that has just been made.
		next, err := follow()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		watching = next
	}
}

func rawDeliver(ctx context.Context, c client.Client, web *http.Client, slackURL string, n *v1alpha1.SlackNotification) error {
	body, err := json.Marshal(map[string]any{
		"channel": n.Spec.Recipients[0].Channel, "text": n.Spec.Text, "unfurl_links": false, "unfurl_media": false,
		"metadata": map[string]any{"event_type": "slack_notification", "event_payload": map[string]string{
			"notification": string(n.UID), "recipient": "0123456789abcdef", "content": "0123456789abcdef"}},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, slackURL+"/api/chat.postMessage", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := web.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		OK bool   `json:"ok"`
		TS string `json:"ts"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || !answer.OK {
		return fmt.Errorf("not taken: %w", err)
	}
	n.Status = fullStatus(n, answer.TS)
	return c.Status().Update(ctx, n)
}
