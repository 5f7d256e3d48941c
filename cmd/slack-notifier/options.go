package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/slack-notifier/slack-notifier/controllers/alert"
	"github.com/slack-notifier/slack-notifier/controllers/notification"
	"github.com/slack-notifier/slack-notifier/controllers/silence"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/silencer"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/webapi"
)

// options are what the flags say.
type options struct {
	version bool

	slackAPIURL  string
	allowedHosts []string

	customConnections []string
	allowedProxies    []string

	clusterName string

	leaderElect             bool
	leaderElectionNamespace string

	metricsAddress string
	metricsSecure  bool
	metricsCertDir string
	pprofAddress   string
	probeAddress   string

	watchNamespaces    []string
	watchLabelSelector string

	alerts                 bool
	clusterScopeNamespaces []string
	alertmanagerHosts      []string
	silenceTimes           map[string]string
	maxAlerts              int
	maxObjects             int

	concurrency int
	settleTime  time.Duration
	slackLimits bool
	limitsShare string

	intake intakeOptions
}

func defaults() options {
	return options{
		slackAPIURL: "https://slack.com/api/", metricsAddress: "0", metricsSecure: true, probeAddress: ":8081", alerts: true,
		concurrency: notification.DefaultConcurrency, settleTime: readback.SettleTime, slackLimits: true,
		maxAlerts: alert.DefaultMaxAlerts, maxObjects: kindwatch.DefaultMaxObjects,
	}
}

func (o *options) bind(f *pflag.FlagSet) {
	f.BoolVar(&o.version, "version", false, "print the version and end")
	f.StringVar(&o.slackAPIURL, "slack-api-url", o.slackAPIURL, "address of Slack's Web API; another host must be named in --allowed-hosts too")
	f.StringSliceVar(&o.allowedHosts, "allowed-hosts", nil, "hosts (host or host:port) beside Slack's own that a token or webhook URL may be sent to; plain http is accepted for these alone")
	f.StringSliceVar(&o.customConnections, "custom-connections", nil, "namespaces whose SlackChannels may have a proxy or a certificate authority of their own (spec.connection.proxySecretRef and caSecretRef), * for all; none when empty. HTTPS_PROXY and NO_PROXY hold for all others")
	f.StringSliceVar(&o.allowedProxies, "allowed-proxies", nil, "proxies (host or host:port) that spec.connection.proxySecretRef may name although they are on a loopback or link-local address, on the API server's or on the operator's own")
	f.StringVar(&o.clusterName, "cluster-name", "", "name of this cluster, shown as a small footer on every message")
	f.BoolVar(&o.leaderElect, "leader-elect", false, "have one of several replicas lead")
	f.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the leader election's Lease; the operator's own when empty")
	f.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress, "address of the metrics, as in :8443; 0 turns them off")
	f.BoolVar(&o.metricsSecure, "metrics-secure", o.metricsSecure, "serve the metrics by HTTPS, to callers that RBAC lets read /metrics")
	f.StringVar(&o.metricsCertDir, "metrics-tls-cert-dir", "", "directory with tls.crt and tls.key of the metrics, which are read anew when they change; a certificate that is made at each start, and that nobody can verify, when empty")
	f.StringVar(&o.probeAddress, "health-probe-bind-address", o.probeAddress, "address of /healthz and /readyz; 0 turns them off")
	f.StringVar(&o.pprofAddress, "pprof-bind-address", "", "address of Go's profiles (net/http/pprof), for developers; off when empty")
	f.StringSliceVar(&o.watchNamespaces, "watch-namespaces", nil, "namespaces to watch; all when empty")
	f.StringVar(&o.watchLabelSelector, "watch-label-selector", "", "labels of the SlackChannels, SlackNotifications and SlackAlerts that this operator looks after, so that several share a large cluster; all when empty")
	f.BoolVar(&o.alerts, "alerts", o.alerts, "look after SlackAlerts; without, the operator needs no right on them, and posts for them are not taken")
	f.StringSliceVar(&o.clusterScopeNamespaces, "cluster-scope-namespaces", nil, "namespaces whose SlackAlerts may also watch cluster-scoped kinds and, by namespaceSelector, other namespaces")
	f.StringSliceVar(&o.alertmanagerHosts, "alertmanager-hosts", nil, "hosts (host or host:port) of the Alertmanagers that SlackAlerts may make silences in (spec.actions.silence); none when empty")
	f.StringToStringVar(&o.silenceTimes, "silence-times", nil, "for tests: how long what takes about silences, as in look=1s,length=10s,rest=5s,settle=1s,uptime=0s,patience=10s")
	_ = f.MarkHidden("silence-times")
	f.IntVar(&o.maxAlerts, "max-alerts-per-namespace", o.maxAlerts, "how many SlackAlerts of one namespace are at work, the oldest first")
	f.IntVar(&o.maxObjects, "max-objects-per-kind", o.maxObjects, "how many objects of a kind that SlackAlerts watch are kept in memory, some 7 KiB each")
	f.IntVar(&o.concurrency, "concurrency", o.concurrency, "how many SlackNotifications are worked on at once")
	f.DurationVar(&o.settleTime, "settle-time", o.settleTime, "how long after an attempt of unknown outcome its absence from the conversation proves that Slack did not take it")
	f.BoolVar(&o.slackLimits, "slack-limits", o.slackLimits, "keep to Slack's rate limits; only false against another Slack that has none")
	f.StringVar(&o.limitsShare, "slack-limits-share", "", "share of Slack's limits that this operator takes, as in 50% or 0.5, where others send for the same app; when empty all of them, and less when Slack's 429s tell that others call too")
	o.intake.bind(f)
	kube := flag.NewFlagSet("", flag.ContinueOnError)
	config.RegisterFlags(kube)
	f.AddGoFlagSet(kube)
}

func bindLogging(f *pflag.FlagSet, o *zap.Options) {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	o.BindFlags(set)
	f.AddGoFlagSet(set)
}

// checked are the options that need more than their type to be right.
type checked struct {
	allow  egress.AllowList
	apiURL string
	shard  labels.Selector
	// limitsShare is above 0 and at most 1, or 0 for what is learnt.
	limitsShare float64
	intake      checkedIntake

	alertmanagers silencer.AllowedHosts
	silenceTimes  silence.Times
}

func (o *options) check() (checked, error) {
	var c checked
	var err error
	if c.allow, err = egress.NewAllowList(o.allowedHosts); err != nil {
		return c, fmt.Errorf("--allowed-hosts: %w", err)
	}
	if c.apiURL, err = webapi.NormalizeURL(o.slackAPIURL, c.allow); err != nil {
		return c, fmt.Errorf("--slack-api-url: %w", err)
	}
	// The address of the API server is added when it is known.
	if _, err = egress.NewProxyRules(o.allowedProxies, ""); err != nil {
		return c, fmt.Errorf("--allowed-proxies: %w", err)
	}
	if err = o.checkNamespaces(); err != nil {
		return c, err
	}
	if c.alertmanagers, err = silencer.Hosts(o.alertmanagerHosts); err != nil {
		return c, fmt.Errorf("--alertmanager-hosts: %w", err)
	}
	if c.silenceTimes, err = silence.ParseTimes(o.silenceTimes); err != nil {
		return c, fmt.Errorf("--silence-times: %w", err)
	}
	if c.shard, err = labels.Parse(o.watchLabelSelector); err != nil {
		return c, fmt.Errorf("--watch-label-selector: %w", err)
	}
	if o.metricsCertDir != "" && (o.metricsAddress == "0" || !o.metricsSecure) {
		return c, errors.New("--metrics-tls-cert-dir needs --metrics-bind-address and --metrics-secure")
	}
	if c.intake, err = o.intake.check(o.watchNamespaces, c.shard); err != nil {
		return c, err
	}
	if c.limitsShare, err = o.share(); err != nil {
		return c, fmt.Errorf("--slack-limits-share: %w", err)
	}
	return c, o.checkNumbers()
}

func (o *options) checkNamespaces() error {
	const names = "names of namespaces, separated by commas"
	for _, one := range []struct {
		flag, give string
		namespaces []string
	}{
		{"watch-namespaces", names, o.watchNamespaces},
		{"cluster-scope-namespaces", names, o.clusterScopeNamespaces},
		{"custom-connections", names + ", or * for all", slices.DeleteFunc(slices.Clone(o.customConnections), func(ns string) bool { return ns == "*" })},
	} {
		for _, ns := range one.namespaces {
			if len(validation.IsDNS1123Label(ns)) > 0 {
				return fmt.Errorf("--%s: %q is no namespace: give %s", one.flag, ns, one.give)
			}
		}
	}
	return nil
}

func (o *options) share() (float64, error) {
	share, err := parseShare(o.limitsShare)
	if err == nil && share > 0 && !o.slackLimits {
		err = errors.New("a share of Slack's limits can't be kept to with --slack-limits=false: leave out one of the two")
	}
	return share, err
}

func (o *options) checkNumbers() error {
	for _, one := range []struct {
		flag  string
		value int
	}{{"max-alerts-per-namespace", o.maxAlerts}, {"max-objects-per-kind", o.maxObjects}, {"concurrency", o.concurrency}} {
		if one.value < 1 {
			return fmt.Errorf("--%s must be at least 1, not %d", one.flag, one.value)
		}
	}
	return nil
}
