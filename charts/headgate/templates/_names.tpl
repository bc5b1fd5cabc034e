{{/* The beginning of every name: "headgate" for a release of that name. */}}
{{- define "headgate.name" -}}
{{- if contains "headgate" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-headgate" (.Release.Name | trunc 30 | trimSuffix "-") }}{{ end }}
{{- end }}

{{/* What a selector selects by; it must never change. */}}
{{- define "headgate.own" -}}
app.kubernetes.io/name: headgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "headgate.labels" -}}
{{ include "headgate.own" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The Secret of the webhook's certificate. */}}
{{- define "headgate.certificate" -}}
{{- if .Values.webhook.certManager }}{{ include "headgate.name" . }}-webhook{{ else }}{{ .Values.webhook.secretName }}{{ end }}
{{- end }}
