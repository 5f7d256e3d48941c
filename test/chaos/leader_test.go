package chaos

import (
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

// mayLead gives the operator of a shard the right to its Lease, whose name has a
// hash of the selector, as docs/operating.md tells whoever installs shards to do.
func (s *scene) mayLead() {
	s.t.Helper()
	meta := metav1.ObjectMeta{Namespace: harness.OperatorNamespace, Name: "leases-of-" + s.name}
	for _, o := range []client.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "update"},
		}}},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: harness.OperatorUser}}},
	} {
		if err := env.Client.Create(s.t.Context(), o); !apierrors.IsAlreadyExists(err) {
			s.must(err)
		}
	}
}
