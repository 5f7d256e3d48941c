package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// fluxProvider and fluxAlert are what matters of Flux's kinds
// (fluxcd.io/flux/components/notification/providers and /alerts).
type fluxProvider struct {
	Spec struct {
		Type      string `json:"type"`
		Channel   string `json:"channel"`
		Username  string `json:"username"`
		Address   string `json:"address"`
		Proxy     string `json:"proxy"`
		Suspend   bool   `json:"suspend"`
		SecretRef *struct {
			Name string `json:"name"`
		} `json:"secretRef"`
	} `json:"spec"`
}

type fluxAlert struct {
	Spec struct {
		ProviderRef struct {
			Name string `json:"name"`
		} `json:"providerRef"`
		EventSeverity string            `json:"eventSeverity"`
		EventSources  []fluxSource      `json:"eventSources"`
		InclusionList []string          `json:"inclusionList"`
		ExclusionList []string          `json:"exclusionList"`
		EventMetadata map[string]string `json:"eventMetadata"`
		Summary       string            `json:"summary"`
		Suspend       bool              `json:"suspend"`
	} `json:"spec"`
}

type fluxSource struct {
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	MatchLabels map[string]string `json:"matchLabels"`
}

// Flux makes SlackChannels of Providers of the type slack, and SlackAlerts of the Alerts
// that refer to them.
func Flux(objects []*unstructured.Unstructured) ([]Document, error) {
	providers := map[string]string{}
	var out []Document
	for _, o := range objects {
		if o.GetKind() != "Provider" || !strings.HasPrefix(o.GetAPIVersion(), "notification.toolkit.fluxcd.io/") {
			continue
		}
		var p fluxProvider
		if err := convert(o, &p); err != nil {
			return nil, err
		}
		if p.Spec.Type != "slack" {
			out = append(out, Document{Comments: []string{fmt.Sprintf("Provider %s is of the type %s, and stays.", o.GetName(), p.Spec.Type)}})
			continue
		}
		providers[o.GetNamespace()+"/"+o.GetName()] = o.GetName()
		d := fluxChannel(o, &p)
		unequal(&d, "spec.", specOf(o), &p.Spec, "interval", "timeout")
		out = append(out, d)
	}
	for _, o := range objects {
		if o.GetKind() != "Alert" || !strings.HasPrefix(o.GetAPIVersion(), "notification.toolkit.fluxcd.io/") {
			continue
		}
		var a fluxAlert
		if err := convert(o, &a); err != nil {
			return nil, err
		}
		channel, ok := providers[o.GetNamespace()+"/"+a.Spec.ProviderRef.Name]
		if !ok {
			out = append(out, Document{Comments: []string{fmt.Sprintf("Alert %s refers to Provider %s, which is not among what was given or not of the type slack.", o.GetName(), a.Spec.ProviderRef.Name)}})
			continue
		}
		d := fluxRule(o, &a, channel)
		unequal(&d, "spec.", specOf(o), &a.Spec)
		out = append(out, d)
	}
	if len(providers) == 0 {
		return nil, errors.New("there is no Provider of the type slack")
	}
	return out, nil
}

func specOf(o *unstructured.Unstructured) map[string]any {
	spec, _, _ := unstructured.NestedMap(o.Object, "spec") // it was read before
	return spec
}

func convert(o *unstructured.Unstructured, into any) error {
	data, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return nil
}

func fluxChannel(o *unstructured.Unstructured, p *fluxProvider) Document {
	c := newChannel(o.GetNamespace(), o.GetName())
	d := Document{Object: c, Comments: []string{fmt.Sprintf("From Provider %s.", o.GetName())}}
	c.Spec.Suspend = p.Spec.Suspend
	secret := c.Name
	if p.Spec.SecretRef != nil {
		secret = p.Spec.SecretRef.Name
	}
	if strings.HasSuffix(strings.TrimSuffix(p.Spec.Address, "/"), "/api/chat.postMessage") {
		c.Spec.WebAPI = &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: secret, Key: "token"}, Channel: p.Spec.Channel}
		d.note("The Secret %s with the bot token (key token) can stay as it is.", secret)
	} else {
		c.Spec.Webhook = &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: secret, Key: "address"}}
		if p.Spec.SecretRef == nil || p.Spec.Address != "" {
			d.note("%s", tokenSecret(o.GetNamespace(), secret, "address", "the webhook of spec.address"))
		} else {
			d.note("The Secret %s with the webhook (key address) can stay as it is.", secret)
		}
		if p.Spec.Channel != "" {
			d.note("channel %s is named by the webhook itself", p.Spec.Channel)
		}
	}
	if p.Spec.Username != "" {
		c.Spec.Sender = &v1alpha1.Sender{Username: p.Spec.Username}
	}
	if p.Spec.Proxy != "" {
		d.note("spec.proxy: put it into a Secret with the key address, and name that in spec.connection.proxySecretRef (needs the operator's --custom-connections)")
	}
	return d
}

func fluxRule(o *unstructured.Unstructured, a *fluxAlert, channel string) Document {
	rule := newAlert(o.GetNamespace(), o.GetName(), channel)
	d := Document{Object: rule, Comments: []string{fmt.Sprintf("From Alert %s.", o.GetName())}}
	rule.Spec.Suspend = a.Spec.Suspend
	w := &v1alpha1.WebhookSource{Preset: v1alpha1.PresetFlux, Signature: &v1alpha1.WebhookSignature{SecretRef: v1alpha1.SecretKeyReference{Name: o.GetName() + "-hook"}}}
	rule.Spec.Source.Webhook = w
	var all []string
	if a.Spec.EventSeverity == "error" {
		all = append(all, `body.?severity.orValue('') == 'error'`)
	} else {
		w.ResolvedWhen = "false"
		d.note("eventSeverity is not error, so each event is a message. Leave out when and resolvedWhen to have errors alone, each with its end in the same message.")
	}
	if sources := fluxSources(a.Spec.EventSources, o.GetNamespace(), &d); sources != "" {
		all = append(all, sources)
	}
	if len(a.Spec.InclusionList) > 0 {
		all = append(all, matches(a.Spec.InclusionList))
	}
	if len(a.Spec.ExclusionList) > 0 {
		all = append(all, "!"+matches(a.Spec.ExclusionList))
	}
	if w.When = strings.Join(all, " && "); w.When == "" {
		w.When = "true"
	}
	if _, err := alerting.Compile(&rule.Spec); err != nil {
		d.note("inclusionList and exclusionList could not be translated (%v), so that no event counts. It was:\n  %s", err, w.When)
		w.When = "false"
	}
	if a.Spec.Summary != "" || len(a.Spec.EventMetadata) > 0 {
		d.note("spec.summary and spec.eventMetadata of the Alert stay there: Flux adds them to what it posts")
	}
	d.note("%s", tokenSecret(o.GetNamespace(), o.GetName()+"-hook", "token", "a key that Flux signs with"))
	d.note("Have Flux post to it: a Provider with the type generic-hmac, the address of the intake, and the same Secret, to which Alert %s refers:\n"+
		"  apiVersion: notification.toolkit.fluxcd.io/v1beta3\n  kind: Provider\n  metadata: {name: %s-intake, namespace: %s}\n  spec:\n    type: generic-hmac\n    address: %s/v1/namespaces/%s/alerts/%s\n    secretRef: {name: %s-hook}",
		o.GetName(), o.GetName(), o.GetNamespace(), intakeAddress, orDefault(o.GetNamespace(), "NAMESPACE"), o.GetName(), o.GetName())
	return d
}

// quoted is a CEL text.
func quoted(s string) string {
	data, _ := json.Marshal(s) // a string
	return string(data)
}

// fluxSources is a CEL expression that is true for events of these sources.
func fluxSources(list []fluxSource, namespace string, d *Document) string {
	var either []string
	for _, s := range list {
		if len(s.MatchLabels) > 0 {
			d.note("eventSources.matchLabels of %s stay in Flux's Alert: an event has no labels of its object", s.Kind)
		}
		all := []string{fmt.Sprintf("body.involvedObject.kind == %s", quoted(s.Kind)),
			fmt.Sprintf("body.involvedObject.namespace == %s", quoted(orDefault(s.Namespace, namespace)))}
		if s.Name != "*" && s.Name != "" {
			all = append(all, fmt.Sprintf("body.involvedObject.name == %s", quoted(s.Name)))
		}
		either = append(either, strings.Join(all, " && "))
	}
	if len(either) == 0 {
		return ""
	}
	return "(" + strings.Join(either, " || ") + ")"
}

// matches is a CEL expression that is true for messages that match one of the patterns.
func matches(patterns []string) string {
	var either []string
	for _, p := range patterns {
		either = append(either, fmt.Sprintf("body.?message.orValue('').matches(%s)", quoted(p)))
	}
	return "(" + strings.Join(either, " || ") + ")"
}
