package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestMetricsFlags(t *testing.T) {
	const needs = "needs --metrics-bind-address and --metrics-secure"
	for flags, want := range map[string]string{
		"":                             "",
		"--metrics-bind-address=:8443": "",
		"--metrics-bind-address=:8443 --metrics-tls-cert-dir=/x":                        "",
		"--metrics-tls-cert-dir=/x":                                                     needs,
		"--metrics-bind-address=0 --metrics-tls-cert-dir=/x":                            needs,
		"--metrics-bind-address=:8443 --metrics-secure=false --metrics-tls-cert-dir=/x": needs,
	} {
		t.Run(flags, func(t *testing.T) {
			o := defaults()
			f := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.bind(f)
			if err := f.Parse(strings.Fields(flags)); err != nil {
				t.Fatal(err)
			}
			_, err := o.check()
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

// A certificate that is named and is not there does not become one that the server
// makes itself.
func TestMetricsWithoutTheCertificate(t *testing.T) {
	o := defaults()
	o.metricsAddress, o.metricsCertDir = "127.0.0.1:0", t.TempDir()
	if _, err := metricsServer(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--metrics-tls-cert-dir: ") || !strings.Contains(err.Error(), "tls.crt") {
		t.Errorf("%v, want an error that names the flag and the file", err)
	}
}
