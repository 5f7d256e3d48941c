# The version is that of internal/version/VERSION.
VERSION := $(shell cat internal/version/VERSION)
# The commit, for builds that no repository is about.
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)$(shell git diff --quiet HEAD 2>/dev/null || echo -dirty)
# Image that image and docker-build make and deploy uses.
IMG ?= slack-notifier:$(VERSION)
# Architectures of the image, in Go's words.
ARCHITECTURES ?= amd64 arm64
# How long each fuzz target runs.
FUZZTIME ?= 20s
# Version of the plugin of kubectl: the operator's.
PLUGIN_VERSION ?= $(VERSION)
# Ends the demo by itself.
ONCE ?=

comma := ,
space := $(subst ,, )
BIN := $(CURDIR)/bin
ASSETS := $(BIN)/k8s
CONTROLLER_GEN := $(BIN)/controller-gen
CRD_REF_DOCS := $(BIN)/crd-ref-docs
GOLANGCI_LINT := $(BIN)/golangci-lint
ALERTMANAGER := $(BIN)/alertmanager
KREW := $(BIN)/krew
CYCLONEDX_GOMOD := $(BIN)/cyclonedx-gomod
HELM3 := $(BIN)/helm3
HELM4 := $(BIN)/helm4
HELM_UNITTEST := $(BIN)/helm-unittest
KUBECONFORM := $(BIN)/kubeconform
PROMETHEUS := $(BIN)/prometheus
KUBECTL ?= kubectl
GO_FILES := $(shell find api cmd controllers internal -name '*.go' -o -path '*/slacksim/page/*' 2>/dev/null) internal/version/VERSION go.mod go.sum

# Go keeps what it has compiled by these settings, so there is one for all but the race
# detector, which needs cgo. The compiler and the linker take a sixth less time when they
# collect their garbage less often, which changes nothing of what is built, and an eighth
# less without what a debugger reads (dlv builds for itself; panics and profiles need none).
export CGO_ENABLED := 0
export GOFLAGS := $(GOFLAGS) -trimpath -gcflags=all=-dwarf=false -ldflags=-w "-toolexec=env GOGC=400"
RACE := CGO_ENABLED=1

SHELL := /usr/bin/env bash -o pipefail
.SHELLFLAGS := -ec
.DEFAULT_GOAL := help

##@ General

.PHONY: help
help: ## Show this help.
	@awk 'BEGIN {FS = ":.*##"; printf "Usage: make \033[36m<target>\033[0m\n"} \
		/^[a-zA-Z_0-9-]+:.*?##/ {printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2} \
		/^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)}' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup-envtest $(BIN)/slack-notifier $(BIN)/slacksim $(BIN)/demo ## See it work: control plane, simulated Slack, operator and samples (ONCE=1 ends by itself).
	@$(BIN)/demo $(if $(ONCE),--once)

##@ Development

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate CustomResourceDefinitions and the operator's roles, and write the version where it is named.
	@sed -i.bak 's/newTag: [^ ]*/newTag: $(VERSION)/' config/manager/kustomization.yaml && rm config/manager/kustomization.yaml.bak
	@$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	@go run ./hack/schemas config/crd/bases docs/schemas
	@$(CONTROLLER_GEN) rbac:roleName=manager-role paths=./controllers/channel/... paths=./controllers/notification/... paths=./internal/connection/... output:rbac:dir=config/rbac/manager
	@$(CONTROLLER_GEN) rbac:roleName=alerts-role paths=./controllers/alert/... paths=./controllers/silence/... output:rbac:dir=config/rbac/alerts/role
	@$(CONTROLLER_GEN) rbac:roleName=intake-role paths=./internal/intake/... output:rbac:dir=config/intake/role

.PHONY: chart
chart: manifests ## Write into charts/slack-notifier what config/ says: kinds, rights, policies, rules, the version.
	@hack/chart.sh

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate the DeepCopy methods.
	@$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt paths=./api/...

.PHONY: docs
docs: $(CRD_REF_DOCS) ## Generate the API reference, docs/api.md.
	@$(CRD_REF_DOCS) --source-path=api/v1alpha1 --config=hack/docs/config.yaml --renderer=markdown --output-path=docs/api.md --log-level=ERROR

.PHONY: fmt
fmt: ## Format the code.
	@gofmt -w api cmd controllers internal test

.PHONY: vet
vet: ## Run go vet.
	@go vet ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linter, the import rules of docs/design.md included, and look at the versions of modules.
	@hack/modules.sh
	@$(GOLANGCI_LINT) run

.PHONY: verify-generated
verify-generated: manifests generate docs chart ## Fail when a generated file is not what its source says.
	@git diff --exit-code -- api config charts docs/api.md docs/schemas || { echo "generated files differ: run 'make manifests generate docs chart' and commit"; exit 1; }
	@test -z "$$(git status --porcelain -- config/crd/bases charts docs/api.md docs/schemas)" || { echo "generated files are not committed"; exit 1; }

# What go vet looks for in tests is found by make lint.
.PHONY: test
test: setup-envtest $(ALERTMANAGER) $(KREW) $(PROMETHEUS) ## Run the tests, but those that have a target of their own, against a real kube-apiserver and etcd.
	@KUBEBUILDER_ASSETS=$(ASSETS) $(RACE) go test -vet=off -race -timeout 30m $$(go list ./... | grep -v /test/) # by Go's cache where nothing has changed
	@go test -vet=off $$(grep -rl --include='*_test.go' 'race.Pointless(t)' internal controllers | xargs -n1 dirname | sort -u | sed 's|^|./|') # what that left out
	@KUBEBUILDER_ASSETS=$(ASSETS) $(RACE) go test -vet=off -count=1 -race -parallel 4 -timeout 90m ./test/e2e ./test/... # their tests wait more than they work, those of the first most
	@KUBEBUILDER_ASSETS=$(ASSETS) go test -C test/gitops -count=1 -timeout 15m ./...

.PHONY: test-chart
test-chart: setup-envtest $(HELM3) $(HELM4) $(HELM_UNITTEST) $(KUBECONFORM) $(CONTROLLER_GEN) ## Test the chart: its unit tests, its schemas, and Helm 3 and 4 on a real kube-apiserver.
	@$(HELM3) lint --strict charts/slack-notifier
	@$(HELM_UNITTEST) --strict charts/slack-notifier
	@TEST_CHART=1 KUBEBUILDER_ASSETS=$(ASSETS) go test -vet=off -count=1 -timeout 20m -run 'Chart|Helm|Schemas|ReadmeInstalls' ./test/release

.PHONY: test-image
test-image: ## Test the image: two builds, one digest; each architecture; the Dockerfile's files; what GoReleaser reads.
	@go test -C hack/image -count=1 -timeout 30m ./...
	@go run -C hack/tools/goreleaser . $(CURDIR)/.goreleaser.yaml

.PHONY: test-chaos
test-chaos: setup-envtest ## The long form of the chaos tests: kills, lost leaders, a control plane that goes away, faults of Slack (about 25 minutes).
	@CHAOS=long KUBEBUILDER_ASSETS=$(ASSETS) go test -count=1 -timeout 85m -v ./test/chaos | grep -vE '^ *(=== |--- PASS)'

.PHONY: test-cluster
test-cluster: setup-envtest $(HELM3) $(HELM4) $(CYCLONEDX_GOMOD) $(CONTROLLER_GEN) ## Run the release's files and the README's commands, on a real kubelet in namespaces of their own (root, Linux, Debian's packages).
	@hack/setup-node.sh
	@CLUSTER=1 go test -vet=off -count=1 -timeout 60m -v ./test/cluster

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME.
	@grep -rho --include='*_test.go' 'func Fuzz[A-Za-z0-9]*' internal cmd | awk '{print $$2}' | sort -u | while read -r target; do \
		package=$$(grep -rl --include='*_test.go' "func $$target(" internal cmd | head -1 | xargs dirname); \
		echo "== $$target in $$package"; go test ./$$package -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s; done

.PHONY: bench
bench: setup-envtest $(ALERTMANAGER) ## Run the benchmarks, beside a bare client in the same run, and write docs/benchmarks.md (about 35 minutes; BENCH_SCALE=0.1 for a quick look).
	@KUBEBUILDER_ASSETS=$(ASSETS) BENCH_PAGE=$(if $(BENCH_SCALE)$(BENCH_ONLY),,docs/benchmarks.md) go run ./test/bench

##@ Build

.PHONY: build
build: $(BIN)/slack-notifier ## Build the operator, bin/slack-notifier.

$(BIN)/slack-notifier $(BIN)/slacksim $(BIN)/demo: $(GO_FILES)
	@echo "building bin/$(@F) (about 2 minutes the first time, on 2 cores)"
	@go build -o $@ ./cmd/$(@F)

.PHONY: kubectl-slack
kubectl-slack: $(BIN)/kubectl-slack ## Build the plugin of kubectl, bin/kubectl-slack.

$(BIN)/kubectl-slack: $(GO_FILES) $(wildcard config/crd/*.go config/crd/bases/*.yaml) $(shell find cmd/kubectl-slack -type f)
	@echo "building bin/kubectl-slack (about 2 minutes the first time, on 2 cores)"
	@go build -ldflags "-w -X main.version=$(PLUGIN_VERSION)" -o $@ ./cmd/kubectl-slack

.PHONY: krew
krew: ## Build the plugin for all systems, and krew's manifest of it, into dist/krew.
	@hack/krew/build.sh $(PLUGIN_VERSION) dist/krew

.PHONY: run
run: build ## Run the operator against the cluster of the current kubeconfig.
	@$(BIN)/slack-notifier --zap-devel

.PHONY: image
image: $(CYCLONEDX_GOMOD) ## Build the image for ARCHITECTURES without Docker, and what is in it (SBOM), into dist/.
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) go run -C hack/image . --name $(IMG) --revision $(REVISION) --arch $(subst $(space),$(comma),$(strip $(ARCHITECTURES)))
	@for arch in $(ARCHITECTURES); do \
		$(CYCLONEDX_GOMOD) bin -json -std -noserial -notimestamp -version $(VERSION) -output dist/slack-notifier-$(VERSION)-linux-$$arch.cdx.json dist/linux-$$arch/slack-notifier; done

.PHONY: image-push
image-push: ## Send what image has built to the registry that IMG names.
	@go run -C hack/image . --push --name $(IMG)

.PHONY: docker-build
docker-build: ## Build the image IMG with Docker; it has the same files.
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) -t $(IMG) .

.PHONY: build-installer
build-installer: setup-envtest ## Write dist/install.yaml (all that a cluster needs, with the image IMG) and dist/crds.yaml (the kinds alone).
	@mkdir -p dist
	@$(ASSETS)/kubectl kustomize config/default | sed 's|image: slack-notifier:$(VERSION)|image: $(IMG)|' > dist/install.yaml
	@$(ASSETS)/kubectl kustomize config/crd > dist/crds.yaml
	@cp config/samples/hello/hello.yaml dist/
	@echo "dist/install.yaml and dist/crds.yaml install slack-notifier $(VERSION)"

.PHONY: package-chart
package-chart: $(HELM3) ## Pack the Helm chart into dist/, with the image IMG.
	@mkdir -p dist
	@hack/package-chart.sh $(HELM3) $(IMG) dist

.PHONY: release-files
release-files: image build-installer package-chart ## Build all that a release has, into dist/.
	@cd dist && sha256sum *.tar *.tgz *.yaml *.json > checksums.txt

.PHONY: licenses
licenses: ## Collect the licences of all that is compiled into the operator, in dist/licenses (the image has them in /licenses).
	@hack/licenses.sh dist/licenses

.PHONY: clean
clean: ## Remove what was built.
	rm -rf $(BIN)

##@ Deployment

.PHONY: install
install: ## Install the CustomResourceDefinitions into the current cluster.
	$(KUBECTL) apply --server-side -k config/crd

.PHONY: uninstall
uninstall: ## Remove the CustomResourceDefinitions, and with them all SlackChannels, SlackNotifications and SlackAlerts.
	@KUBECTL="$(KUBECTL)" hack/undeploy.sh config/crd

.PHONY: deploy
deploy: ## Deploy the operator with the image IMG to the current cluster.
	$(KUBECTL) kustomize config/default | sed 's|image: slack-notifier:$(VERSION)|image: $(IMG)|' | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: ## Remove the operator, the kinds and all their objects from the current cluster, within a minute.
	@KUBECTL="$(KUBECTL)" hack/undeploy.sh config/default

##@ Tools

.PHONY: setup-envtest
setup-envtest: ## Put kube-apiserver, etcd and kubectl into bin/k8s.
	@hack/setup-envtest.sh

$(CONTROLLER_GEN): hack/tools/tools/go.mod
	@echo "building bin/controller-gen (about half a minute the first time)"
	@go build -C hack/tools/tools -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(CRD_REF_DOCS): hack/tools/tools/go.mod
	@echo "building bin/crd-ref-docs (a few seconds)"
	@go build -C hack/tools/tools -o $@ github.com/elastic/crd-ref-docs

$(GOLANGCI_LINT): hack/tools/lint/go.mod
	@echo "building bin/golangci-lint (about 4 minutes the first time, on 2 cores)"
	@go build -C hack/tools/lint -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(ALERTMANAGER): hack/tools/alertmanager/go.mod
	@echo "building bin/alertmanager, which the tests post from (about a minute the first time, on 2 cores)"
	@go build -C hack/tools/alertmanager -o $@ github.com/prometheus/alertmanager/cmd/alertmanager

$(KREW): hack/tools/krew/go.mod
	@echo "building bin/krew, which the tests install the plugin by (a few seconds)"
	@go build -C hack/tools/krew -o $@ sigs.k8s.io/krew/cmd/krew

$(CYCLONEDX_GOMOD): hack/tools/sbom/go.mod
	@echo "building bin/cyclonedx-gomod (about half a minute the first time, on 2 cores)"
	@go build -C hack/tools/sbom -o $@ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

$(HELM3): hack/tools/helm3/go.mod
	@echo "building bin/helm3 (about a minute the first time, on 2 cores)"
	@go build -C hack/tools/helm3 -o $@ helm.sh/helm/v3/cmd/helm

$(HELM4): hack/tools/helm4/go.mod
	@echo "building bin/helm4 (about a minute the first time, on 2 cores)"
	@go build -C hack/tools/helm4 -o $@ helm.sh/helm/v4/cmd/helm

$(HELM_UNITTEST): hack/tools/helm-unittest/go.mod
	@echo "building bin/helm-unittest (about a minute the first time, on 2 cores)"
	@go build -C hack/tools/helm-unittest -o $@ github.com/helm-unittest/helm-unittest/cmd/helm-unittest

$(KUBECONFORM): hack/tools/kubeconform/go.mod
	@echo "building bin/kubeconform (a few seconds)"
	@go build -C hack/tools/kubeconform -o $@ github.com/yannh/kubeconform/cmd/kubeconform

$(PROMETHEUS): hack/tools/prometheus/go.mod
	@echo "building bin/prometheus and bin/promtool, by which the rules and the dashboard are tried (about 4 minutes the first time, on 2 cores)"
	@go build -C hack/tools/prometheus -tags remove_all_sd -o $(BIN)/ github.com/prometheus/prometheus/cmd/promtool github.com/prometheus/prometheus/cmd/prometheus
