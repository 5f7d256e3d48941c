package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/servingcert"
)

// metricsServer serves the metrics as the flags say, until ctx ends. A certificate
// that is named and can't be read is an error: controller-runtime would make one of
// its own instead, which nobody can verify.
func metricsServer(ctx context.Context, o options) (metricsserver.Options, error) {
	serve := metricsserver.Options{
		BindAddress: o.metricsAddress, SecureServing: o.metricsSecure,
		// HTTP/2 has limits of its own to watch over.
		TLSOpts: []func(*tls.Config){func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} }},
	}
	if o.metricsSecure {
		serve.FilterProvider = protect
	}
	if o.metricsCertDir == "" || o.metricsAddress == "0" {
		return serve, nil
	}
	with, err := servingcert.Watch(ctx, o.metricsCertDir, ctrl.Log.WithName("metrics"))
	if err != nil {
		return serve, fmt.Errorf("--metrics-tls-cert-dir: %w", err)
	}
	serve.TLSOpts = []func(*tls.Config){func(c *tls.Config) {
		c.GetCertificate, c.MinVersion, c.NextProtos = with.GetCertificate, with.MinVersion, with.NextProtos
	}}
	return serve, nil
}

// protect lets those read the metrics whom RBAC allows to.
func protect(config *rest.Config, client *http.Client) (metricsserver.Filter, error) {
	reviewer, err := kubeauth.New(config, client, kubeauth.Options{})
	if err != nil {
		return nil, err
	}
	return func(_ logr.Logger, next http.Handler) (http.Handler, error) { return reviewer.Protect(next), nil }, nil
}
