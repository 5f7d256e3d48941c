#!/usr/bin/env bash
# Fails where a module that compiles k8s.io/client-go has another version than go.mod
# of something that client-go imports, and says which `go get` mends it.
#
# Go's build cache keeps a package for one set of versions of all that it imports. So each
# other set has client-go compiled once more, which is about a minute on 2 cores. The
# modules below are all those of this repository but test/gitops, where Flux's packages
# ask for newer ones.
set -euo pipefail
cd "$(dirname "$0")/.."

# versions prints the modules that client-go is made of in module $1, a line each.
versions() {
  go list -C "$1" -deps -f '{{with .Module}}{{if not .Main}}{{with .Replace}}{{.Path}} {{.Version}}{{else}}{{.Path}} {{.Version}}{{end}}{{end}}{{end}}' \
    k8s.io/client-go/kubernetes k8s.io/client-go/dynamic k8s.io/client-go/tools/clientcmd | sort -u
}

ours=$(versions .)
differs=false
for dir in hack/tools/kubernetes hack/tools/helm3 hack/tools/helm4 hack/tools/helm-unittest; do
  theirs=$(versions "$dir")
  while read -r module a b; do
    [ "$a" != "$b" ] || continue
    differs=true
    newest=$(printf '%s\n' "$a" "$b" | sort -V | tail -1)
    where=.
    [ "$newest" = "$b" ] || where=$dir
    echo "$module is $a in go.mod and $b in $dir/go.mod: run 'go get -C $where $module@$newest && go mod tidy -C $where'" >&2
  done < <(join <(echo "$ours") <(echo "$theirs"))
done
! $differs
