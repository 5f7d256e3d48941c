#!/usr/bin/env bash
# Removes all kinds with their objects, and then what else a kustomization has
# installed:
#
#   hack/undeploy.sh [KUSTOMIZATION]      (config/default)
#
# It ends within a minute. Objects with deletionPolicy Delete or Archive are held by
# a finalizer until the operator has done so in Slack; it gets 15 seconds for that
# while it still runs. What is held then is let go, and stays in Slack.
set -euo pipefail
kubectl=${KUBECTL:-kubectl}
what=${1:-config/default}
group=slack.notify.dev

# held KIND FINALIZER prints "NAMESPACE NAME OTHERS" for each object that is held,
# where OTHERS are the finalizers of others, as JSON.
held() {
  $kubectl get "$1.$group" -A -o go-template="{{range .items}}{{\$o := .}}{{\$held := false}}{{range .metadata.finalizers}}{{if eq . \"$2\"}}{{\$held = true}}{{end}}{{end -}}
{{if \$held}}{{.metadata.namespace}} {{.metadata.name}} [{{\$sep := \"\"}}{{range .metadata.finalizers}}{{if ne . \"$2\"}}{{\$sep}}{{printf \"%q\" .}}{{\$sep = \",\"}}{{end}}{{end}}]{{\"\n\"}}{{end}}{{end}}" 2>/dev/null || true
}

# release KIND FINALIZER lets all objects go that are still held. They are being
# deleted, so that no operator puts the finalizer back. One that can't be let go is
# gone meanwhile, as the operator may still work, or is told of by who waits for it.
release() {
  held "$1" "$2" | tr '\n' '\0' | xargs -0 -r -P 4 -n 1 sh -c '
    IFS=" " read -r namespace name others <<END
$2
END
    if said=$($0 patch "$1" -n "$namespace" "$name" --type=merge -p "{\"metadata\":{\"finalizers\":$others}}" 2>&1); then
      echo "released $1 $namespace/$name; what it has in Slack stays there"
    else
      case $said in *NotFound* | *"have a resource type"*) ;; *) echo "undeploy: $1 $namespace/$name: $said" >&2 ;; esac
    fi' "$kubectl" "$1.$group"
}

# remove SECONDS FINALIZER KIND... deletes kinds with all objects, and waits.
remove() {
  local seconds=$1 finalizer=$2 kind crds=()
  shift 2
  for kind in "$@"; do crds+=("crd/$kind.$group"); done
  $kubectl delete --ignore-not-found --wait=false "${crds[@]}"
  $kubectl wait --for=delete "${crds[@]}" --timeout="${seconds}s" >/dev/null 2>&1 || release "${@: -1}" "$finalizer"
  $kubectl wait --for=delete "${crds[@]}" --timeout=10s >/dev/null && return
  echo "undeploy: ${*} are not deleted yet. What has finalizers of others is held until those remove them: $kubectl get ${@: -1}.$group -A" >&2
  return 1
}

# A message is deleted by way of its SlackChannel, which so goes last.
remove 15 $group/delete-message slackalerts slacknotifications
remove 10 $group/archive-channel slackchannels
$kubectl delete --ignore-not-found --wait=false -k "$what"
$kubectl delete --ignore-not-found --timeout=15s -k "$what" >/dev/null 2>&1 || echo "the cluster is still deleting the rest; $kubectl get -k $what shows it"
