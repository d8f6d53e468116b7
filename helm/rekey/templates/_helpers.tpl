{{- define "rekey.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* Short enough that every suffix of ours still fits into a name of 63 characters. */}}
{{- define "rekey.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "rekey.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "rekey.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "rekey.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rekey.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rekey.labels" -}}
{{ include "rekey.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* A name of its own, or the operator's PodDisruptionBudget would count these pods, too. */}}
{{- define "rekey.publish.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rekey.name" . }}-publish
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rekey.publish.labels" -}}
{{ include "rekey.publish.selectorLabels" . }}
{{ omit (include "rekey.labels" . | fromYaml) "app.kubernetes.io/name" "app.kubernetes.io/instance" | toYaml }}
{{- end }}

{{- define "rekey.account" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "rekey.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: name the ServiceAccount that you made, or set serviceAccount.create" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Who we are to the API server. */}}
{{- define "rekey.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "rekey.account" . }}
{{- end }}

{{- define "rekey.subject" -}}
- kind: ServiceAccount
  name: {{ include "rekey.account" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "rekey.image" -}}
{{- $name := .Values.image.repository }}
{{- if .Values.image.registry }}
{{- $name = printf "%s/%s" .Values.image.registry $name }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The Leases, one a shard, as a list in YAML. */}}
{{- define "rekey.leases" -}}
{{- if eq (int .Values.shards) 1 }}
- rekey
{{- else }}
{{- range until (int .Values.shards) }}
- rekey-{{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the operator does in the namespaces where it works, but for its own kinds. */}}
{{- define "rekey.namespacedRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete] # by name: neither list nor watch
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [get, list, patch]
- apiGroups: [batch]
  resources: [jobs, cronjobs]
  verbs: [get, list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
