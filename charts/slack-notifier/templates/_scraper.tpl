{{- /* Whose token Prometheus shows: one that may read metrics and nothing else. */ -}}
{{- define "slack-notifier.scraper" -}}
{{- $full := include "slack-notifier.fullname" . }}
{{- $meta := dict "name" (printf "%s-metrics-scraper" $full) "namespace" .Release.Namespace "labels" (include "slack-notifier.labels" . | fromYaml) }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- toYaml $meta | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: v1
kind: Secret
metadata:
  {{- toYaml $meta | nindent 2 }}
  annotations:
    # Kubernetes writes the token.
    kubernetes.io/service-account.name: {{ $full }}-metrics-scraper
type: kubernetes.io/service-account-token
{{- if .Values.rbac.create }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  {{- toYaml (omit $meta "namespace") | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $full }}-metrics-reader
subjects:
- kind: ServiceAccount
  name: {{ $full }}-metrics-scraper
  namespace: {{ .Release.Namespace }}
{{- end }}
{{- end -}}
