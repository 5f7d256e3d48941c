#!/usr/bin/env bash
# Puts what a node runs into bin/node: kubelet, kube-controller-manager,
# kube-scheduler and kube-proxy, built from the Go modules that hack/tools pins;
# containerd, runc, the CNI plugins, iptables and their libraries from Debian's
# packages, unpacked and not installed; and the pause program.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(awk '$1 == "k8s.io/kubernetes" && $2 ~ /^v/ {print $2; exit} $1 == "require" && $2 == "k8s.io/kubernetes" {print $3; exit}' hack/tools/kubernetes/go.mod)
programs=(kubelet kube-controller-manager kube-scheduler kube-proxy)
packages=(containerd runc containernetworking-plugins iptables libip4tc2 libip6tc2 libxtables12 libnfnetlink0 libnetfilter-conntrack3 libnftnl11 libmnl0 conntrack)
dir=bin/node
mkdir -p $dir

if [ "$(cat $dir/VERSION 2>/dev/null)" != "$version" ]; then
  echo "setup-node: building kubelet and the control plane's programs $version: 5 to 10 minutes on 2 cores the first time, seconds after that"
  # Without a version they call themselves v0.0.0-master, which no API server takes.
  minor=${version#v1.}
  flags="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
    flags+=" -X $package.gitTreeState=clean -X $package.buildDate=1970-01-01T00:00:00Z"
  done
  CGO_ENABLED=0 go build -C hack/tools/kubernetes -trimpath -ldflags "$flags" -o "$PWD/$dir/" "${programs[@]/#/k8s.io/kubernetes/cmd/}"
  echo "$version" > $dir/VERSION
fi

if [ ! -x $dir/root/usr/bin/containerd ]; then
  echo "setup-node: unpacking containerd, runc, CNI plugins and iptables"
  store=$(mktemp -d)
  trap 'rm -rf "$store"' EXIT
  chmod 755 "$store"
  (cd "$store" && apt-get -o APT::Sandbox::User=root download "${packages[@]}" >/dev/null)
  rm -rf $dir/root.new && mkdir $dir/root.new
  for package in "$store"/*.deb; do dpkg -x "$package" $dir/root.new; done
  rm -rf $dir/root && mv $dir/root.new $dir/root
fi

if [ ! -x $dir/pause ]; then
  source=$(go list -C hack/tools/kubernetes -m -f '{{.Dir}}' k8s.io/kubernetes)/build/pause/linux/pause.c
  gcc -Os -Wall -static -DVERSION=3.10 -o $dir/pause "$source"
fi
