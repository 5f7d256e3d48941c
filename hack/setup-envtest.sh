#!/usr/bin/env bash
# Puts kube-apiserver, etcd and kubectl of one pinned version into bin/k8s:
# those that KUBEBUILDER_ASSETS names, else what is there already, else the
# published archive where it can be downloaded, else a build from the Go
# modules that hack/tools pins.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(awk '$1 == "k8s.io/kubernetes" && $2 ~ /^v/ {print $2; exit} $1 == "require" && $2 == "k8s.io/kubernetes" {print $3; exit}' hack/tools/kubernetes/go.mod)
programs=(kube-apiserver etcd kubectl)
dir=bin/k8s

complete() {
  local program
  for program in "${programs[@]}"; do [ -x "$1/$program" ] || return 1; done
}

if [ -n "${KUBEBUILDER_ASSETS:-}" ] && complete "$KUBEBUILDER_ASSETS"; then
  if [ "$(cd "$KUBEBUILDER_ASSETS" && pwd -P)" != "$(mkdir -p $dir && cd $dir && pwd -P)" ]; then
    for program in "${programs[@]}"; do ln -sf "$(cd "$KUBEBUILDER_ASSETS" && pwd -P)/$program" "$dir/$program"; done
    echo "setup-envtest: $dir uses the programs of KUBEBUILDER_ASSETS"
  fi
  exit 0
fi
if complete $dir && [ "$(cat $dir/VERSION 2>/dev/null)" = "$version" ]; then
  exit 0
fi
mkdir -p $dir

# Not all networks let this through; then it fails within seconds.
echo "setup-envtest: looking for a published kube-apiserver, etcd and kubectl $version (at most 30 s)"
store=$(mktemp -d)
trap 'chmod -R u+w "$store"; rm -rf "$store"' EXIT
# The program is the one whose checksum hack/tools/envtest/go.sum has; it compares the
# archive with the checksum of the published index.
if path=$(cd hack/tools/envtest && timeout 30 go run sigs.k8s.io/controller-runtime/tools/setup-envtest use --bin-dir "$store" -p path "${version#v}" 2>/dev/null) \
    && complete "$path"; then
  for program in "${programs[@]}"; do install -m 755 "$path/$program" "$dir/$program"; done
  echo "$version" > $dir/VERSION
  echo "setup-envtest: $dir has the published $version"
  exit 0
fi

echo "setup-envtest: not to be had; building $version from Go modules instead: 4 to 8 minutes on 2 cores the first time, seconds after that"
out=$PWD/$dir
export CGO_ENABLED=0
go build -C hack/tools/etcd -trimpath -o "$out/etcd" go.etcd.io/etcd/server/v3
echo "setup-envtest: etcd is built; now kube-apiserver and kubectl"
# Without a version they call themselves v0.0.0-master, over which clients stumble.
minor=${version#v1.}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
  flags+=" -X $package.gitTreeState=clean -X $package.buildDate=1970-01-01T00:00:00Z"
done
go build -C hack/tools/kubernetes -trimpath -ldflags "$flags" -o "$out/" \
  k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
echo "$version" > $dir/VERSION
echo "setup-envtest: $dir has $version, built here"
