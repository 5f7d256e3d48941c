{{- /*
At most 28 characters, since a Service may have 63 and its name adds
-controller-manager-metrics-service. A longer name ends in a hash of the whole, so
that two releases that begin alike are two.
*/ -}}
{{- define "slack-notifier.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{- $full = .Values.fullnameOverride -}}
{{- else if not (contains $name .Release.Name) -}}
{{- $full = printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- if gt (len $full) 28 -}}
{{- $full = printf "%s-%s" ($full | trunc 19 | trimSuffix "-") (sha256sum $full | trunc 8) -}}
{{- end -}}
{{- $full | trimSuffix "-" -}}
{{- end -}}

{{- define "slack-notifier.labels" -}}
app.kubernetes.io/name: slack-notifier
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* The instance, so that two releases in a namespace do not take each other's Pods. */ -}}
{{- define "slack-notifier.selector" -}}
control-plane: controller-manager
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "slack-notifier.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "slack-notifier.fullname" . }}-controller-manager
{{- else -}}
{{- fail "serviceAccount.create is false: name the ServiceAccount in serviceAccount.name" -}}
{{- end -}}
{{- end -}}

{{- define "slack-notifier.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "slack-notifier.goMemLimit" -}}
{{- $limit := toString (dig "limits" "memory" "" .Values.resources) -}}
{{- if .Values.goMemLimit -}}
{{- .Values.goMemLimit -}}
{{- else if regexMatch "^[0-9]+Mi$" $limit -}}
{{- printf "%dMiB" (div (mul (trimSuffix "Mi" $limit | int64) 9) 10) -}}
{{- else if regexMatch "^[0-9]+Gi$" $limit -}}
{{- printf "%dMiB" (div (mul (trimSuffix "Gi" $limit | int64) 1024 9) 10) -}}
{{- end -}}
{{- end -}}

{{- define "slack-notifier.intakeSecret" -}}
{{- default (printf "%s-intake-tls" (include "slack-notifier.fullname" .)) .Values.intake.tls.secretName -}}
{{- end -}}

{{- define "slack-notifier.metricsSecret" -}}
{{- default (printf "%s-metrics-tls" (include "slack-notifier.fullname" .)) .Values.metrics.tls.secretName -}}
{{- end -}}

{{- define "slack-notifier.metricsHost" -}}
{{- include "slack-notifier.fullname" . }}-controller-manager-metrics-service.{{ .Release.Namespace }}.svc
{{- end -}}

{{- /* One flag for each value of operator. A number of a values file is a float64. */ -}}
{{- define "slack-notifier.flags" -}}
{{- range $key, $value := .Values.operator }}
{{- if kindIs "slice" $value }}
{{- if $value }}
- {{ printf "--%s=%s" (kebabcase $key) (join "," $value) | quote }}
{{- end }}
{{- else if kindIs "float64" $value }}
- {{ printf "--%s=%v" (kebabcase $key) (ternary (int64 $value) $value (eq (floor $value) $value)) | quote }}
{{- else if and (not (kindIs "invalid" $value)) (ne (toString $value) "") }}
- {{ printf "--%s=%v" (kebabcase $key) $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "slack-notifier.alerts" -}}
{{- if ne (toString (dig "alerts" true .Values.operator)) "false" }}true{{ end -}}
{{- end -}}

{{- /* The Lease that the leader holds; each shard has its own (cmd/slack-notifier). */ -}}
{{- define "slack-notifier.lease" -}}
slack-notifier.slack.notify.dev
{{- with .Values.operator.watchLabelSelector }}-{{ sha256sum . | trunc 8 }}{{ end }}
{{- end -}}

{{- /* Where that Lease is. */ -}}
{{- define "slack-notifier.leaseNamespace" -}}
{{- default .Release.Namespace .Values.operator.leaderElectionNamespace -}}
{{- end -}}

{{- /* The rules of the role "role" in files/rbac/"file". */ -}}
{{- define "slack-notifier.rules" -}}
{{- range splitList "\n---\n" (.root.Files.Get (printf "files/rbac/%s.yaml" .file)) }}
{{- $doc := fromYaml . }}
{{- if and $doc.metadata (eq $doc.metadata.name $.role) }}
{{- toYaml $doc.rules | replace "- slack-notifier.slack.notify.dev" (printf "- %s" (include "slack-notifier.lease" $.root)) }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* A role and its binding to the operator: "kind" is ClusterRole or Role. */ -}}
{{- define "slack-notifier.role" -}}
{{- $name := printf "%s-%s" (include "slack-notifier.fullname" .root) .name -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ $name }}
  {{- if .namespace }}
  namespace: {{ .namespace }}
  {{- end }}
  labels:
    {{- include "slack-notifier.labels" .root | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
rules:
{{ required (printf "%s has no role %s" .file .role) (include "slack-notifier.rules" .) }}
{{- with .more }}
{{ toYaml . }}
{{- end }}
{{ include "slack-notifier.binding" (merge (dict "name" (printf "%sbinding" .name) "roleName" $name) .) }}
{{- end -}}

{{- define "slack-notifier.binding" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ include "slack-notifier.fullname" .root }}-{{ .name }}
  {{- if .namespace }}
  namespace: {{ .namespace }}
  {{- end }}
  labels:
    {{- include "slack-notifier.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .roleName }}
subjects:
- kind: ServiceAccount
  name: {{ include "slack-notifier.serviceAccount" .root }}
  namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{- define "slack-notifier.hook" }}
  labels:
    {{- include "slack-notifier.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: post-delete
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
