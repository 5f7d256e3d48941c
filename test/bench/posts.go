package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// poster posts to the intake as an Alertmanager does.
type poster struct {
	url, token string
	web        *http.Client
}

// newPoster makes a ServiceAccount that may post to the rules of a namespace.
func (b *bench) newPoster(ns, rule, address string) (*poster, error) {
	meta := metav1.ObjectMeta{Namespace: ns, Name: "alertmanager"}
	account := &corev1.ServiceAccount{ObjectMeta: meta}
	err := b.create(account,
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"slack.notify.dev"}, Resources: []string{"slacknotifications"}, Verbs: []string{"create"},
		}}},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: meta.Name}}},
	)
	if err != nil {
		return nil, err
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"slack-notifier"}}}
	if err := b.env.Client.SubResource("token").Create(b.ctx, account, request); err != nil {
		return nil, err
	}
	return &poster{
		url:   fmt.Sprintf("http://%s/v1/namespaces/%s/alerts/%s", address, ns, rule),
		token: request.Status.Token, web: &http.Client{Timeout: 10 * time.Second},
	}, nil
}

// busy is that the intake takes no more of this caller before a while has passed.
type busy struct{ wait time.Duration }

func (e *busy) Error() string {
	return fmt.Sprintf("the intake takes no more before %s have passed", e.wait)
}

// postUntilTaken posts again as often as it is told to wait, as an Alertmanager
// does. It reports how often that was.
func (p *poster) postUntilTaken(b *bench, i int) (waits int, err error) {
	for {
		var told *busy
		if err = p.post(b, i); !errors.As(err, &told) {
			return waits, err
		}
		waits++
		select {
		case <-b.ctx.Done():
			return waits, b.ctx.Err()
		case <-time.After(told.wait):
		}
	}
}

// post tells of a group with one alert that fires, with the present time in an
// annotation.
func (p *poster) post(b *bench, i int) error {
	labels := map[string]string{"alertname": fmt.Sprint("Down-", i), "severity": "critical"}
	notes := map[string]string{"at": strconv.FormatInt(time.Now().UnixNano(), 10), "summary": "it is down"}
	data, err := json.Marshal(map[string]any{
		"version": "4", "status": "firing", "receiver": "slack", "groupKey": fmt.Sprintf("{}:{alertname=%q}", labels["alertname"]),
		"groupLabels": labels, "commonLabels": labels, "commonAnnotations": notes, "externalURL": "http://alertmanager.example.com",
		"alerts": []any{map[string]any{
			"status": "firing", "labels": labels, "annotations": notes, "startsAt": time.Now().UTC().Format(time.RFC3339Nano),
			"endsAt": "0001-01-01T00:00:00Z", "fingerprint": fmt.Sprintf("%016x", i+1),
		}},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, p.url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+p.token)
	resp, err := p.web.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if wait, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && resp.StatusCode == http.StatusServiceUnavailable {
		return &busy{wait: time.Duration(wait) * time.Second}
	}
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("POST %s: %s: %s", p.url, resp.Status, said)
	}
	return nil
}
