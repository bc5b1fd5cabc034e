{{/* The controller's flags that differ from its defaults. */}}
{{- define "headgate.flags" -}}
{{- $v := .root.Values -}}
{{- if gt (int $v.shards) 1 }}
- --shard={{ .shard }}/{{ $v.shards }}
{{- end }}
{{- range $v.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- with $v.prometheus.url }}
- {{ printf "--prometheus=%s" . | quote }}
- --scrape-interval={{ $v.prometheus.scrapeInterval }}
{{- end }}
{{- if ne (int $v.concurrency) 16 }}
- --concurrency={{ int $v.concurrency }}
{{- end }}
{{- if ne (float64 $v.api.qps) 50.0 }}
- --kube-api-qps={{ $v.api.qps }}
{{- end }}
{{- if ne (int $v.api.burst) 100 }}
- --kube-api-burst={{ int $v.api.burst }}
{{- end }}
{{- if $v.actions.exec }}
- --allow-exec
{{- end }}
{{- with $v.actions.execImage }}
- {{ printf "--exec-image=%s" . | quote }}
{{- end }}
{{- if $v.webhook.enabled }}
- --webhook-certificates=/certificates
- --webhook-port=9443
{{- end }}
{{- end }}
