#!/usr/bin/env bash
# Writes into charts/slack-notifier what config/ says already: the kinds, the
# operator's rights, the policies, what Prometheus and Grafana read, and the version.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(cat internal/version/VERSION)
chart=charts/slack-notifier
files=$chart/files

rm -rf $files
mkdir -p $files/crds $files/rbac $files/policies $files/prometheus
cp config/crd/bases/*.yaml $files/crds/

# role NAME PATH copies the rules of a role; templates/rbac.yaml names it.
role() { cp "config/$2" "$files/rbac/$1.yaml"; }
role manager_role rbac/manager/role.yaml
role alerts_role rbac/alerts/role/role.yaml
role alerts_review_role rbac/alerts/review_role.yaml
role watch_role rbac/alerts/watch_role.yaml
role watch_role_namespaced namespaced/namespace/alerts/watch_role.yaml
role intake_role intake/role/role.yaml
role intake_review_role intake/server/review_role.yaml
role intake_poster_role intake/server/poster_role.yaml
for name in leader_election_role namespaces_role metrics_auth_role metrics_reader_role; do role $name rbac/operator/$name.yaml; done
for name in editor_role viewer_role; do role $name rbac/users/$name.yaml; done

cp config/network-policy/egress/egress.yaml $files/
for file in config/policies/*.yaml; do [ "${file##*/}" = kustomization.yaml ] || cp "$file" $files/policies/; done
# Rules and dashboards are found by their kind; who scrapes is a template.
find config/prometheus -name '*.yaml' ! -name kustomization.yaml ! -name scraper.yaml ! -name '*test*' -exec cp {} $files/prometheus/ \;
find config/prometheus config/grafana -name '*.json' -exec cp {} $files/prometheus/ \; 2>/dev/null || true

sed -i.bak -e "s/^version: .*/version: ${version#v}/" -e "s/^appVersion: .*/appVersion: $version/" $chart/Chart.yaml
sed -i.bak -e "s/slack-notifier-[0-9][^ ]*\.tgz/slack-notifier-${version#v}.tgz/" $chart/README.md
rm $chart/Chart.yaml.bak $chart/README.md.bak
