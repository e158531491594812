{{/* Converts a value that is text in Kubernetes but given as a number or a boolean: helm reads `--set image.tag=1` as the number 1. */}}
{{- define "hotpeers.text" -}}
{{- if kindIs "float64" . }}{{ int64 . }}{{ else if not (kindIs "invalid" .) }}{{ toString . }}{{ end -}}
{{- end -}}

{{/* Labels, annotations and other maps whose values are text. */}}
{{- define "hotpeers.texts" -}}
{{- $texts := dict -}}
{{- range $key, $value := . -}}
{{- $_ := set $texts $key (include "hotpeers.text" $value) -}}
{{- end -}}
{{- toYaml $texts -}}
{{- end -}}

{{/* The prefix of the names of the release's objects. 41 characters leave room for the longest suffix, within 63. */}}
{{- define "hotpeers.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- include "hotpeers.text" .Values.fullnameOverride | trunc 41 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride | include "hotpeers.text" -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 41 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 41 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "hotpeers.controller" -}}
{{ include "hotpeers.fullname" . }}-controller
{{- end -}}

{{/* The ServiceAccount of the controller. Never "default": each pod of the namespace would have its rights. */}}
{{- define "hotpeers.serviceAccount" -}}
{{- include "hotpeers.accountOf" (dict "given" .Values.serviceAccount "name" (include "hotpeers.controller" .) "value" "serviceAccount") -}}
{{- end -}}

{{/* The name of a ServiceAccount by its values (given), its default name, and the path of the values. */}}
{{- define "hotpeers.accountOf" -}}
{{- if not (or .given.create .given.name) -}}
{{- fail (printf "%s.create is false: name the account that you create in %s.name" .value .value) -}}
{{- end -}}
{{- default .name .given.name -}}
{{- end -}}

{{/* The ServiceAccount itself, if the chart creates it. */}}
{{- define "hotpeers.accountObject" -}}
{{- if .given.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | quote }}
  labels:
    {{- toYaml .labels | nindent 4 }}
  {{- with .given.annotations }}
  annotations:
    {{- include "hotpeers.texts" . | nindent 4 }}
  {{- end }}
{{- if not .given.automountServiceAccountToken }}
automountServiceAccountToken: false
{{- end }}
{{- end -}}
{{- end -}}

{{/* The user name of the controller's requests. */}}
{{- define "hotpeers.account" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "hotpeers.serviceAccount" . }}
{{- end -}}

{{/* Not empty if the cluster has ValidatingAdmissionPolicies: Kubernetes 1.30 and newer. */}}
{{- define "hotpeers.policies" -}}
{{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version }}true{{ end -}}
{{- end -}}

{{/* A cluster-wide name without the namespace: a cluster has one release. */}}
{{- define "hotpeers.webhook" -}}
{{ include "hotpeers.fullname" . }}-injector
{{- end -}}

{{/* The name of both webhook configurations of the guard. */}}
{{- define "hotpeers.guard" -}}
{{ include "hotpeers.fullname" . }}-guard
{{- end -}}

{{/* Configurations are called in the order of their names, and this one must be the last. */}}
{{- define "hotpeers.hold" -}}
zz-{{ include "hotpeers.fullname" . }}-hold
{{- end -}}

{{/* The Secret in which the controller stores its CA and certificates. */}}
{{- define "hotpeers.certificates" -}}
{{ include "hotpeers.fullname" . }}-certificates
{{- end -}}

{{- define "hotpeers.hub" -}}
{{ include "hotpeers.fullname" . }}-hub
{{- end -}}

{{- define "hotpeers.console" -}}
{{ include "hotpeers.fullname" . }}-console
{{- end -}}

{{/* The Secret with the hub's key, which the controller makes. */}}
{{- define "hotpeers.hubKey" -}}
{{ include "hotpeers.hub" . }}-key
{{- end -}}

{{- define "hotpeers.hubURL" -}}
{{ default (printf "http://%s.%s:8092/mcp" (include "hotpeers.hub" .) .Release.Namespace) .Values.hub.url }}
{{- end -}}

{{/* The name of cert-manager's Secret, Certificate and Issuer. It differs from the controller's Secret, so that a release can switch between both. */}}
{{- define "hotpeers.serving" -}}
{{ include "hotpeers.fullname" . }}-serving
{{- end -}}

{{/* managed-by is missing, because Helm sets it itself, and objects rendered to a file are not managed by Helm. */}}
{{- define "hotpeers.ownLabels" -}}
{{ include "hotpeers.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: hotpeers
{{- end -}}

{{/* The labels of each object: the chart's own, and commonLabels. */}}
{{- define "hotpeers.labels" -}}
{{- include "hotpeers.checkValues" . -}}
{{- include "hotpeers.checkLabels" (dict "own" (include "hotpeers.ownLabels" .) "more" .Values.commonLabels "value" "commonLabels") -}}
{{ include "hotpeers.ownLabels" . }}
{{- with .Values.commonLabels }}
{{ include "hotpeers.texts" . }}
{{- end }}
{{- end -}}

{{/* Fails if a label of a value (more) is one of the chart's own labels. */}}
{{- define "hotpeers.checkLabels" -}}
{{- $own := fromYaml .own -}}
{{- range $name := keys .more -}}
{{- if hasKey $own $name -}}
{{- fail (printf "%s: %s is a label that the chart sets, and cannot be changed" $.value $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The labels of a pod: the chart's own (own), then podLabels of `given`, then commonLabels. */}}
{{- define "hotpeers.podLabels" -}}
{{- include "hotpeers.checkLabels" (dict "own" .own "more" .given.podLabels "value" .value) -}}
{{ merge (fromYaml .own) .given.podLabels .root.Values.commonLabels | include "hotpeers.texts" }}
{{- end -}}

{{/* The number of replicas by its present or its old name. */}}
{{- define "hotpeers.replicas" -}}
{{- if kindIs "invalid" .replicas }}{{ int .replicaCount }}{{ else }}{{ int .replicas }}{{ end -}}
{{- end -}}

{{/* Where pods run, and as which user: the values of `given`, and the controller's for those that are empty. */}}
{{- define "hotpeers.placement" -}}
{{- $all := .root.Values -}}
automountServiceAccountToken: {{ .given.serviceAccount.automountServiceAccountToken }}
{{- with $all.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $all.priorityClassName .given.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with default $all.nodeSelector .given.nodeSelector }}
nodeSelector:
  {{- include "hotpeers.texts" . | nindent 2 }}
{{- end }}
{{- with default $all.tolerations .given.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .given.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default $all.podSecurityContext .given.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The environment variables of extraEnv. */}}
{{- define "hotpeers.extraEnv" -}}
{{- range $index, $entry := . }}
{{- $value := ternary (dict "value" (include "hotpeers.text" .value)) (dict) (hasKey . "value") }}
{{- if $index }}{{ "\n" }}{{ end }}
{{- list (merge $value .) | toYaml }}
{{- end }}
{{- end -}}

{{/* Fails if the values are those of another version: --reuse-values leaves out the defaults of this one. */}}
{{- define "hotpeers.checkValues" -}}
{{- range $name := list "enabled" "replicaCount" "commonLabels" "ports" "containerSecurityContext" -}}
{{- if not (hasKey $.Values $name) -}}
{{- fail (printf "the value %s is missing: these are the values of another version of the chart. Use helm upgrade --reset-then-reuse-values instead of --reuse-values" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "hotpeers.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | include "hotpeers.text" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: controller
{{- end -}}

{{/* The namespaces where pods may be injected, as a label selector equal to the webhook's namespaceSelector. */}}
{{- define "hotpeers.injectionNamespaces" -}}
{{- $excluded := append .Values.webhook.excludedNamespaces .Release.Namespace | uniq -}}
{{- $terms := list (printf "kubernetes.io/metadata.name notin (%s)" (join "," $excluded)) -}}
{{- range $key, $value := .Values.webhook.namespaceSelector.matchLabels -}}
{{- $terms = append $terms (printf "%s=%s" $key (include "hotpeers.text" $value)) -}}
{{- end -}}
{{- range .Values.webhook.namespaceSelector.matchExpressions -}}
{{- $values := join "," .values -}}
{{- $forms := dict
    "In" (printf "%s in (%s)" .key $values)
    "NotIn" (printf "%s notin (%s)" .key $values)
    "Exists" .key
    "DoesNotExist" (printf "!%s" .key) -}}
{{- if not (hasKey $forms .operator) -}}
{{- fail (printf "webhook.namespaceSelector.matchExpressions: operator %s is not one of In, NotIn, Exists, DoesNotExist" .operator) -}}
{{- end -}}
{{- $terms = append $terms (get $forms .operator) -}}
{{- end -}}
{{- join "," $terms -}}
{{- end -}}

{{/* A reference to an image. With a digest, the digest decides, and the tag is only informative. */}}
{{- define "hotpeers.reference" -}}
{{- $tag := include "hotpeers.text" .tag -}}
{{- $tag := ternary (printf ":%s" $tag) "" (ne $tag "") -}}
{{- $digest := ternary (printf "@%s" .digest) "" (ne (default "" .digest) "") -}}
{{- printf "%s%s%s" .repository $tag $digest -}}
{{- end -}}

{{- define "hotpeers.image" -}}
{{- $image := .Values.image -}}
{{- include "hotpeers.reference" (dict
    "repository" $image.repository
    "tag" (default .Chart.AppVersion $image.tag)
    "digest" $image.digest) -}}
{{- end -}}

{{/* The image of the injected containers. If it has its own repository or tag, the controller's digest does not apply. */}}
{{- define "hotpeers.sidecarImage" -}}
{{- $own := .Values.sidecar.image -}}
{{- if or $own.repository $own.tag $own.digest -}}
{{- include "hotpeers.reference" (dict
    "repository" (default .Values.image.repository $own.repository)
    "tag" (default (default .Chart.AppVersion .Values.image.tag) $own.tag)
    "digest" $own.digest) -}}
{{- else -}}
{{- include "hotpeers.image" . -}}
{{- end -}}
{{- end -}}

{{/* The image of new pods in namespaces of the channel "canary"; empty if there is none. */}}
{{- define "hotpeers.canaryImage" -}}
{{- $own := .Values.sidecar.canary -}}
{{- if or $own.repository $own.tag $own.digest -}}
{{- $image := .Values.image -}}
{{- $sidecar := .Values.sidecar.image -}}
{{- include "hotpeers.reference" (dict
    "repository" (default (default $image.repository $sidecar.repository) $own.repository)
    "tag" (default (default (default .Chart.AppVersion $image.tag) $sidecar.tag) $own.tag)
    "digest" $own.digest) -}}
{{- end -}}
{{- end -}}
