{{- /* A certificate of cert-manager for the server "name", in the Secret "secret". Without
an "issuerRef" it has an authority for itself alone, so that its clients need trust
nothing else and need no new ca.crt when the certificate is renewed. */ -}}
{{- define "slack-notifier.certificate" -}}
{{- $full := printf "%s-%s" (include "slack-notifier.fullname" .root) .name }}
{{- $meta := dict "namespace" .root.Release.Namespace "labels" (include "slack-notifier.labels" .root | fromYaml) }}
{{- if not .issuerRef }}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: {{ $full }}-selfsigned
  {{- toYaml $meta | nindent 2 }}
spec:
  selfSigned: {}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ $full }}-ca
  {{- toYaml $meta | nindent 2 }}
spec:
  isCA: true
  commonName: slack-notifier {{ .name }}
  secretName: {{ $full }}-ca
  duration: 87600h
  privateKey: {algorithm: ECDSA, size: 256}
  issuerRef: {name: {{ $full }}-selfsigned}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: {{ $full }}-ca
  {{- toYaml $meta | nindent 2 }}
spec:
  ca:
    secretName: {{ $full }}-ca
{{- end }}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ $full }}
  {{- toYaml $meta | nindent 2 }}
spec:
  secretName: {{ .secret }}
  dnsNames:
  {{- toYaml .dnsNames | nindent 2 }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  usages: [server auth]
  issuerRef:
    {{- toYaml (.issuerRef | default (dict "name" (printf "%s-ca" $full))) | nindent 4 }}
{{- end -}}
