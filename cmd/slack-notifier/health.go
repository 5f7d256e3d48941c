package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// readiness reports ready once the caches are filled.
func readiness(synced func(context.Context) bool) healthz.Checker {
	return func(req *http.Request) error {
		if synced(req.Context()) {
			return nil
		}
		return errors.New("the caches are still being filled")
	}
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
