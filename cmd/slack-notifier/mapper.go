package main

import (
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// ownMapper remembers the mappings of our own kinds, which do not change while the
// operator runs. A cache of several namespaces asks for one at each read, and to
// find it anew was a twelfth of the cost of a delivery.
type ownMapper struct {
	meta.RESTMapper
	known sync.Map // of *meta.RESTMapping by ownKey
}

type ownKey struct{ kind, version string }

func newMapper(c *rest.Config, client *http.Client) (meta.RESTMapper, error) {
	all, err := apiutil.NewDynamicRESTMapper(c, client)
	if err != nil {
		return nil, err
	}
	return &ownMapper{RESTMapper: all}, nil
}

// RESTMapping implements meta.RESTMapper.
func (m *ownMapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if gk.Group != v1alpha1.GroupVersion.Group || len(versions) != 1 {
		return m.RESTMapper.RESTMapping(gk, versions...)
	}
	key := ownKey{gk.Kind, versions[0]}
	if have, ok := m.known.Load(key); ok {
		return have.(*meta.RESTMapping), nil
	}
	found, err := m.RESTMapper.RESTMapping(gk, versions...)
	if err == nil {
		m.known.Store(key, found)
	}
	return found, err
}
