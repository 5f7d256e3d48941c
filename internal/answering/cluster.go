package answering

import (
	"context"
	"os"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/internal/interact"
)

// Cluster names the cluster by the UID of its namespace kube-system, which all
// replicas and all later processes see alike. Where that may not be read, as with
// rights in some namespaces alone, the API server's certificate authority stands
// for it.
type Cluster struct {
	// Live reads from the API server.
	Live client.Reader
	// Config leads to the API server.
	Config *rest.Config

	mu   sync.Mutex
	hash string
}

// Hash is the name in buttons. An error is one of the API server that may pass.
func (c *Cluster) Hash(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hash != "" {
		return c.hash, nil
	}
	ns := &metav1.PartialObjectMetadata{}
	ns.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := c.Live.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, ns)
	switch {
	case err == nil:
		c.hash = interact.ClusterHash(ns.UID)
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		c.hash = interact.ClusterHash(types.UID(c.authority()))
	default:
		return "", err
	}
	return c.hash, nil
}

// authority that has signed for the API server; its address where there is none.
func (c *Cluster) authority() string {
	if data := c.Config.CAData; len(data) > 0 {
		return string(data)
	}
	if file := c.Config.CAFile; file != "" {
		if data, err := os.ReadFile(file); err == nil { //nolint:gosec // the kubeconfig names it
			return string(data)
		}
	}
	return c.Config.Host
}
