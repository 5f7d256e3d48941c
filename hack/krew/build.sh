#!/usr/bin/env bash
# Builds kubectl-slack for each system, and what krew installs it by:
#   hack/krew/build.sh VERSION DIRECTORY [OS/ARCH ...]
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${1:?version}
out=${2:?directory}
shift 2
platforms=("$@")
if [ ${#platforms[@]} -eq 0 ]; then
  platforms=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64)
fi
mkdir -p "$out"
manifest=$out/slack.yaml
sed "s/VERSION/$version/" hack/krew/slack.yaml.in >"$manifest"
for platform in "${platforms[@]}"; do
  os=${platform%/*} arch=${platform#*/} suffix=
  [ "$os" = windows ] && suffix=.exe
  name=kubectl-slack_${os}_${arch}
  stage=$out/$name
  mkdir -p "$stage"
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath -ldflags "-s -w -X main.version=$version" -o "$stage/kubectl-slack$suffix" ./cmd/kubectl-slack
  cp LICENSE hack/krew/kubectl_complete-slack "$stage/"
  # The same files make the same archive.
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$stage" -cf - . | gzip -n >"$out/$name.tar.gz"
  rm -r "$stage"
  sum=$(sha256sum "$out/$name.tar.gz" | cut -d' ' -f1)
  cat >>"$manifest" <<EOF
  - selector:
      matchLabels: {os: $os, arch: $arch}
    uri: https://github.com/slack-notifier/slack-notifier/releases/download/$version/$name.tar.gz
    sha256: $sum
    bin: kubectl-slack$suffix
    files:
    - {from: ./kubectl-slack$suffix, to: .}
    - {from: ./kubectl_complete-slack, to: .}
    - {from: ./LICENSE, to: .}
EOF
done
