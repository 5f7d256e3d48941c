#!/usr/bin/env bash
# Collects the licence texts of all that is compiled into a command, Go itself
# included, as they ask for in copies of a binary:
#
#   hack/licenses.sh [DIRECTORY [PACKAGE]]
#
# DIRECTORY (dist/licenses) is emptied first. Files are taken from each folder of a
# module in which there is a package that is used, up to its root. It fails when
# a module has none.
set -euo pipefail
out=${1:-dist/licenses}
package=${2:-./cmd/slack-notifier}

rm -rf "$out"
mkdir -p "$out"

# copy DIRECTORY NAME copies the licences of a folder, if there are any.
copy() {
  local file found=1
  for file in "$1"/*; do
    case "${file##*/}" in
    LICENSE* | LICENCE* | COPYING* | NOTICE* | PATENTS* | license* | licence* | License*)
      [ -f "$file" ] || continue
      case "$file" in *.go) continue ;; esac
      mkdir -p "$out/$2"
      cp "$file" "$out/$2/"
      chmod u+w "$out/$2/${file##*/}"
      found=0
      ;;
    esac
  done
  return $found
}

copy "$(go env GOROOT)" "go.dev/$(go env GOVERSION)" || { echo "licenses: Go's own licence is not in $(go env GOROOT)" >&2; exit 1; }
copy . github.com/slack-notifier/slack-notifier || { echo "licenses: run it in the root of the project" >&2; exit 1; }

missing=()
while IFS=$'\t' read -r module version root folder; do
  name=$module@$version
  while [ "$folder" != "$root" ]; do
    copy "$folder" "$name${folder#"$root"}" || true
    folder=${folder%/*}
  done
  copy "$root" "$name" || missing+=("$name")
done < <(CGO_ENABLED=0 GOOS=linux go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}{{"\t"}}{{.Version}}{{"\t"}}{{.Dir}}{{"\t"}}{{$.Dir}}{{end}}{{end}}' "$package" | sed '/^$/d' | sort -u)

if [ ${#missing[@]} -gt 0 ]; then
  printf 'licenses: there is no licence in %s\n' "${missing[@]}" | sort -u >&2
  exit 1
fi
echo "licences of $(find "$out" -type f | wc -l) files in $out"
