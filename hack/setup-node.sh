#!/usr/bin/env bash
# Puts what a node runs into bin/node: kubelet, kube-controller-manager,
# kube-scheduler and kube-proxy, built from the Go modules that hack/tools pins;
# containerd, runc, the CNI plugins, iptables and their libraries from Debian's
# packages, unpacked and not installed; and the pause program.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(awk '$1 == "k8s.io/kubernetes" && $2 ~ /^v/ {print $2; exit} $1 == "require" && $2 == "k8s.io/kubernetes" {print $3; exit}' hack/tools/kubernetes/go.mod)
programs=(kubelet kube-controller-manager kube-scheduler kube-proxy)
# The versions that the tests were seen to pass with. Debian replaces a package when a
# fault of it is mended, so where a version is gone the one of today is taken, and that
# is said.
packages=(
  containerd=1.6.20~ds1-1+deb12u3 runc=1.1.5+ds1-1+deb12u1 containernetworking-plugins=1.1.1+ds1-3+b5
  iptables=1.8.9-2 libip4tc2=1.8.9-2 libip6tc2=1.8.9-2 libxtables12=1.8.9-2
  libnfnetlink0=1.0.2-2 libnetfilter-conntrack3=1.0.9-3 libnftnl11=1.2.4-2 libmnl0=1.0.4-3 conntrack=1:1.4.7-1+b2
)
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
  cd "$store"
  for package in "${packages[@]}"; do
    apt-get -o APT::Sandbox::User=root download "$package" >/dev/null 2>&1 && continue
    apt-get -o APT::Sandbox::User=root download "${package%%=*}" >/dev/null
    echo "setup-node: $package is not to be had any more; took $(basename "$(ls -t "${package%%=*}"_*.deb | head -1)")" >&2
  done
  cd - >/dev/null
  rm -rf $dir/root.new && mkdir $dir/root.new
  for package in "$store"/*.deb; do dpkg -x "$package" $dir/root.new; done
  rm -rf $dir/root && mv $dir/root.new $dir/root
fi

if [ ! -x $dir/pause ]; then
  source=$(go list -C hack/tools/kubernetes -m -f '{{.Dir}}' k8s.io/kubernetes)/build/pause/linux/pause.c
  gcc -Os -Wall -static -DVERSION=3.10 -o $dir/pause "$source"
fi
