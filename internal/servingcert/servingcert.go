// Package servingcert reads the certificate of a server from a directory, as a
// Secret of type kubernetes.io/tls is mounted, and reads it anew when it changes.
package servingcert

import (
	"context"
	"crypto/tls"
	"path/filepath"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// Watch returns the configuration of a server whose certificate and key are tls.crt
// and tls.key in dir; until ctx ends a changed one is taken within 10 seconds. The
// server speaks TLS 1.2 or later, and HTTP/1.1 alone: HTTP/2 has limits of its own to
// watch over. The error is that they can't be read, or do not belong together.
func Watch(ctx context.Context, dir string, logger logr.Logger) (*tls.Config, error) {
	certs, err := certwatcher.New(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		return nil, err
	}
	go func() {
		if err := certs.Start(ctx); err != nil {
			logger.Error(err, "Cannot watch the certificate; a new one is taken after a restart only", "directory", dir)
		}
	}()
	return &tls.Config{GetCertificate: certs.GetCertificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}
