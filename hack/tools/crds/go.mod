// The CustomResourceDefinitions that the samples of alerts are tried on. Nothing
// is imported: `go mod download` gets the files. `go mod tidy` would drop it all.
module github.com/slack-notifier/slack-notifier/hack/tools/crds

go 1.26.8

require (
	github.com/argoproj/argo-cd/v3 v3.1.0
	github.com/cert-manager/cert-manager v1.21.2
	github.com/fluxcd/helm-controller v1.4.0
	github.com/fluxcd/kustomize-controller v1.9.0
)
