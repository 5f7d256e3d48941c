package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/slack-notifier/slack-notifier/internal/intake"
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
)

// intakeOptions are what the flags say of the intake.
type intakeOptions struct {
	address        string
	defaultChannel string
	anonymous      bool
	certDir        string
	audience       string
	apiTokens      bool
	ttl            time.Duration
}

// defaultAudience of the tokens that callers of the intake show.
const defaultAudience = "slack-notifier"

func (o *intakeOptions) bind(f *pflag.FlagSet) {
	f.StringVar(&o.address, "intake-bind-address", "", "address that takes messages and alerts by HTTP, as in :8082; off when empty")
	f.StringVar(&o.defaultChannel, "intake-default-channel", "", "SlackChannel (namespace/name) that POST /message goes to; there is no such path when empty")
	f.BoolVar(&o.anonymous, "intake-anonymous", false, "let everybody who reaches the intake POST /message, for a trial")
	f.StringVar(&o.certDir, "intake-tls-cert-dir", "", "directory with tls.crt and tls.key of the intake, which are read anew when they change; plain HTTP when empty")
	f.StringVar(&o.audience, "intake-audience", defaultAudience, "audience that the tokens of the intake's callers must be for, as in kubectl create token NAME --audience=slack-notifier")
	f.BoolVar(&o.apiTokens, "intake-accept-api-tokens", false, "let callers of the intake show tokens for the API server too, which open that to whoever gets hold of them")
	f.DurationVar(&o.ttl, "intake-notification-ttl", 7*24*time.Hour, "how long a SlackNotification that the intake made is kept after it was delivered or failed for good")
}

// checkedIntake is what the flags come to.
type checkedIntake struct {
	defaultChannel types.NamespacedName
	// labels of what is made here, by which its shard knows it.
	labels map[string]string
}

func (o *intakeOptions) check(watched []string, shard labels.Selector) (c checkedIntake, err error) {
	if o.address == "" {
		if o.defaultChannel != "" || o.anonymous || o.certDir != "" || o.apiTokens {
			return c, errors.New("--intake-default-channel, --intake-anonymous, --intake-tls-cert-dir and --intake-accept-api-tokens need --intake-bind-address")
		}
		return c, nil
	}
	if o.audience == "" {
		return c, errors.New("--intake-audience can't be empty; --intake-accept-api-tokens takes tokens for the API server")
	}
	if o.ttl < 0 {
		return c, fmt.Errorf("--intake-notification-ttl can't be negative, as %s is", o.ttl)
	}
	if o.anonymous && o.defaultChannel == "" {
		return c, errors.New("--intake-anonymous opens /message, which needs --intake-default-channel")
	}
	if o.defaultChannel != "" {
		namespace, name, _ := strings.Cut(o.defaultChannel, "/")
		if len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
			return c, fmt.Errorf("--intake-default-channel must be namespace/name of a SlackChannel, not %q", o.defaultChannel)
		}
		if len(watched) > 0 && !slices.Contains(watched, namespace) {
			return c, fmt.Errorf("--intake-default-channel is in namespace %q, which --watch-namespaces leaves out", namespace)
		}
		c.defaultChannel = types.NamespacedName{Namespace: namespace, Name: name}
	}
	c.labels, err = shardLabels(shard)
	return c, err
}

// shardLabels are labels that a selector matches, so that what the intake makes
// is looked after by the operator that made it.
func shardLabels(shard labels.Selector) (map[string]string, error) {
	out := map[string]string{}
	requirements, _ := shard.Requirements()
	for _, r := range requirements {
		switch r.Operator() {
		case selection.Equals, selection.DoubleEquals, selection.In:
			out[r.Key()] = slices.Min(r.ValuesUnsorted())
		}
	}
	made := labels.Merge(labels.Set{intake.LabelSource: ""}, out)
	if !shard.Matches(made) {
		return nil, fmt.Errorf("--intake-bind-address needs a --watch-label-selector that says which labels to set, as shard=a does; %q does not", shard)
	}
	return out, nil
}

// addIntake has the manager serve the intake.
func addIntake(mgr ctrl.Manager, o options, c checked, alerts intake.AlertReceiver, keys intake.SigningKeys, clicks intake.Interactions) error {
	if o.intake.address == "" {
		return nil
	}
	reviewer, err := kubeauth.New(mgr.GetConfig(), mgr.GetHTTPClient(), kubeauth.Options{Audience: o.intake.audience, APITokens: o.intake.apiTokens})
	if err != nil {
		return err
	}
	server := &intake.Server{
		Address: o.intake.address, CertDir: o.intake.certDir, Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Reviewer: reviewer,
		Alerts: alerts, Keys: keys, Interactions: clicks, DefaultChannel: c.intake.defaultChannel, Anonymous: o.intake.anonymous, TTL: o.intake.ttl,
		Labels: c.intake.labels, Shard: c.shard, Observe: metrics.NewIntake(ctrlmetrics.Registry, intake.Endpoints).Answered,
		Watches: func(namespace string) bool {
			return len(o.watchNamespaces) == 0 || slices.Contains(o.watchNamespaces, namespace)
		},
	}
	if err := mgr.AddReadyzCheck("intake", server.Ready); err != nil {
		return err
	}
	return mgr.Add(server)
}
