package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestIntakeFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"":                            "",
		"--intake-bind-address=:8082": "",
		"--intake-bind-address=:8082 --intake-default-channel=a/b --intake-anonymous":     "",
		"--intake-bind-address=:8082 --intake-default-channel=a/b --watch-namespaces=a,c": "",
		"--intake-bind-address=:8082 --watch-label-selector=shard!=own":                   "",
		"--intake-bind-address=:8082 --watch-label-selector=a=b,c_in_(y,x),!d":            "",
		"--intake-default-channel=a/b":                                                    "need --intake-bind-address",
		"--intake-anonymous":                                                              "need --intake-bind-address",
		"--intake-tls-cert-dir=/x":                                                        "need --intake-bind-address",
		"--intake-accept-api-tokens":                                                      "need --intake-bind-address",
		"--intake-bind-address=:8082 --intake-audience=":                                  "can't be empty",
		"--intake-bind-address=:8082 --intake-anonymous":                                  "needs --intake-default-channel",
		"--intake-bind-address=:8082 --intake-default-channel=b":                          "must be namespace/name",
		"--intake-bind-address=:8082 --intake-default-channel=a/b/c":                      "must be namespace/name",
		"--intake-bind-address=:8082 --intake-default-channel=a/b --watch-namespaces=c":   "--watch-namespaces leaves out",
		"--intake-bind-address=:8082 --intake-notification-ttl=-1s":                       "can't be negative",
		"--intake-bind-address=:8082 --watch-label-selector=shard":                        "says which labels to set",
		"--intake-bind-address=:8082 --watch-label-selector=a=b,a!=b":                     "says which labels to set",
		"--intake-bind-address=:8082 --watch-label-selector=!slack.notify.dev/source":     "says which labels to set",
	} {
		o := defaults()
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.intake.bind(f)
		f.StringSliceVar(&o.watchNamespaces, "watch-namespaces", nil, "")
		f.StringVar(&o.watchLabelSelector, "watch-label-selector", "", "")
		var args []string
		for _, flag := range strings.Fields(flags) {
			args = append(args, strings.ReplaceAll(flag, "_", " "))
		}
		if err := f.Parse(args); err != nil {
			t.Fatal(err)
		}
		_, err := o.check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", flags, err)
		}
	}
}

func TestShardLabels(t *testing.T) {
	o := defaults()
	o.watchLabelSelector, o.intake.address = "a=b,c in (y,x),!d,e!=f", ":0"
	o.intake.audience = defaultAudience
	c, err := o.check()
	if err != nil || !maps.Equal(c.intake.labels, map[string]string{"a": "b", "c": "x"}) {
		t.Errorf("%v %v", c.intake.labels, err)
	}
}
