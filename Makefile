# Image that docker-build makes and deploy uses.
IMG ?= slack-notifier:latest
# How long each fuzz target runs.
FUZZTIME ?= 20s
# Ends the demo by itself.
ONCE ?=

BIN := $(CURDIR)/bin
ASSETS := $(BIN)/k8s
CONTROLLER_GEN := $(BIN)/controller-gen
CRD_REF_DOCS := $(BIN)/crd-ref-docs
GOLANGCI_LINT := $(BIN)/golangci-lint
ALERTMANAGER := $(BIN)/alertmanager
PROMETHEUS := $(BIN)/prometheus
KUBECTL ?= kubectl
GO_FILES := $(shell find api cmd controllers internal -name '*.go' -o -path '*/slacksim/page/*' 2>/dev/null) go.mod go.sum

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
manifests: $(CONTROLLER_GEN) ## Generate CustomResourceDefinitions and the operator's roles.
	@$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	@go run ./hack/schemas config/crd/bases docs/schemas
	@$(CONTROLLER_GEN) rbac:roleName=manager-role paths=./controllers/channel/... paths=./controllers/notification/... paths=./internal/connection/... output:rbac:dir=config/rbac/manager
	@$(CONTROLLER_GEN) rbac:roleName=alerts-role paths=./controllers/alert/... output:rbac:dir=config/rbac/alerts/role
	@$(CONTROLLER_GEN) rbac:roleName=intake-role paths=./internal/intake/... output:rbac:dir=config/intake/role

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
lint: $(GOLANGCI_LINT) ## Run the linter, the import rules of docs/design.md included.
	@$(GOLANGCI_LINT) run

.PHONY: verify-generated
verify-generated: manifests generate docs ## Fail when a generated file is not what its source says.
	@git diff --exit-code -- api config docs/api.md docs/schemas || { echo "generated files differ: run 'make manifests generate docs' and commit"; exit 1; }
	@test -z "$$(git status --porcelain -- config/crd/bases docs/api.md docs/schemas)" || { echo "generated files are not committed"; exit 1; }

.PHONY: test
test: setup-envtest $(ALERTMANAGER) $(PROMETHEUS) ## Run every test, against a real kube-apiserver and etcd.
	@KUBEBUILDER_ASSETS=$(ASSETS) go test -count=1 -race -timeout 45m ./...
	@KUBEBUILDER_ASSETS=$(ASSETS) go test -C test/gitops -count=1 -timeout 15m ./...

.PHONY: test-chaos
test-chaos: setup-envtest ## The long form of the chaos tests: kills, lost leaders, a control plane that goes away, faults of Slack (about 25 minutes).
	@CHAOS=long KUBEBUILDER_ASSETS=$(ASSETS) go test -count=1 -timeout 85m -v ./test/chaos | grep -vE '^ *(=== |--- PASS)'

.PHONY: test-cluster
test-cluster: setup-envtest ## Run the operator as a Pod, on a real kubelet in namespaces of their own (root, Linux, Debian's packages).
	@hack/setup-node.sh
	@CLUSTER=1 go test -count=1 -timeout 30m -v ./test/cluster

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME.
	@grep -rho --include='*_test.go' 'func Fuzz[A-Za-z0-9]*' internal | awk '{print $$2}' | sort -u | while read -r target; do \
		package=$$(grep -rl --include='*_test.go' "func $$target(" internal | head -1 | xargs dirname); \
		echo "== $$target in $$package"; go test ./$$package -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s; done

.PHONY: bench
bench: setup-envtest ## Run the benchmarks, beside a bare client in the same run (about 10 minutes; BENCH_SCALE=0.1 for a quick look).
	@go test -run '^$$' -bench . -benchmem ./internal/... | grep -E '^(Benchmark|pkg)'
	@KUBEBUILDER_ASSETS=$(ASSETS) go run ./test/bench

##@ Build

.PHONY: build
build: $(BIN)/slack-notifier ## Build the operator, bin/slack-notifier.

$(BIN)/slack-notifier $(BIN)/slacksim $(BIN)/demo: $(GO_FILES)
	@echo "building bin/$(@F) (about 2 minutes the first time, on 2 cores)"
	@CGO_ENABLED=0 go build -trimpath -o $@ ./cmd/$(@F)

.PHONY: run
run: build ## Run the operator against the cluster of the current kubeconfig.
	@$(BIN)/slack-notifier --zap-devel

.PHONY: docker-build
docker-build: ## Build the image IMG.
	docker build -t $(IMG) .

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
uninstall: ## Remove the CustomResourceDefinitions, and with them all SlackChannels and SlackNotifications.
	$(KUBECTL) delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: ## Deploy the operator with the image IMG to the current cluster.
	$(KUBECTL) kustomize config/default | sed 's|image: slack-notifier:latest|image: $(IMG)|' | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: ## Remove the operator from the current cluster.
	$(KUBECTL) delete --ignore-not-found -k config/default

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
	@CGO_ENABLED=0 go build -C hack/tools/alertmanager -trimpath -o $@ github.com/prometheus/alertmanager/cmd/alertmanager

$(PROMETHEUS): hack/tools/prometheus/go.mod
	@echo "building bin/prometheus and bin/promtool, by which the rules and the dashboard are tried (about 4 minutes the first time, on 2 cores)"
	@CGO_ENABLED=0 go build -C hack/tools/prometheus -tags remove_all_sd -trimpath -o $(BIN)/ github.com/prometheus/prometheus/cmd/promtool github.com/prometheus/prometheus/cmd/prometheus
