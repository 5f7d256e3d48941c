// Package gitops tries what GitOps tools do with the kinds of this operator: by
// their own code, on objects that the operator has written.
package gitops
