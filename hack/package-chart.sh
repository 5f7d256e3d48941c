#!/usr/bin/env bash
# Packs the chart, which then names IMAGE, as the installer of the same release does:
#
#   hack/package-chart.sh HELM IMAGE DIRECTORY
#
# IMAGE is REPOSITORY[:TAG][@DIGEST]. A tag that is the version is not written down, as
# it is the chart's appVersion.
set -euo pipefail
cd "$(dirname "$0")/.."
helm=$1 image=$2 to=$3 tag='' digest=''
case $image in *@*) digest=${image#*@} image=${image%%@*} ;; esac
case ${image##*/} in *:*) tag=${image##*:} image=${image%:*} ;; esac
[ "$tag" != "$(cat internal/version/VERSION)" ] || tag=

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp -R charts/slack-notifier "$dir/"
sed -e "s|^  repository: slack-notifier\$|  repository: $image|" -e "s|^  tag: \"\"\$|  tag: \"$tag\"|" -e "s|^  digest: \"\"\$|  digest: \"$digest\"|" \
  charts/slack-notifier/values.yaml >"$dir/slack-notifier/values.yaml"
"$helm" package "$dir/slack-notifier" -d "$to"
