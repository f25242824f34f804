# shellcheck shell=bash
# The heartbeat of monitoring. Each minute this VM writes a number to Cloud Monitoring, but only while
# Prometheus and Alertmanager answer and the alert that always fires reaches Alertmanager. Without the number,
# Cloud Monitoring raises an alert. The number is the count of critical alerts that fire: Google sends mail
# about them, because our machines cannot send mail.

MONITORING="${ODIN_MONITORING_URL:-https://monitoring.googleapis.com}"

install_heartbeat() {
  [ -n "$(attribute heartbeat-metric "")" ] || return 0
  each_minute heartbeat heartbeat 50 "ODIN_MONITORING_URL=$MONITORING" AccuracySec=1s
}

command_heartbeat() {
  local project instance zone critical
  REASON="$RUN/heartbeat-reason"
  trap on_heartbeat_exit EXIT
  trap 'on_error "$LINENO" "$BASH_COMMAND" "$?"' ERR
  : >"$REASON"
  answers Prometheus http://127.0.0.1:9090/-/ready
  answers Alertmanager http://127.0.0.1:9093/-/ready
  alerts_arrive
  critical="$(critical_alerts)"
  project="$(own project/project-id)"
  instance="$(own instance/id)"
  zone="$(own instance/zone)" # projects/123/zones/us-central1-a
  fetch_token
  printf '{"timeSeries": [{"metric": {"type": "%s"}, "resource": {"type": "gce_instance", "labels": {"project_id": "%s", "instance_id": "%s", "zone": "%s"}}, "metricKind": "GAUGE", "valueType": "INT64", "points": [{"interval": {"endTime": "%s"}, "value": {"int64Value": "%s"}}]}]}' \
    "$(attribute heartbeat-metric "")" "$project" "$instance" "${zone##*/}" "$(date --utc +%Y-%m-%dT%H:%M:%SZ)" "$critical" >"$RUN/heartbeat.json"
  fetch "$MONITORING/v3/projects/$project/timeSeries" "$RUN/heartbeat-answer" --header "@$RUN/token-$$" \
    --header 'Content-Type: application/json' --data "@$RUN/heartbeat.json" ||
    fail "Cloud Monitoring refused the heartbeat: $(http_problem "$RUN/heartbeat-answer")"
  READY=yes
}

on_heartbeat_exit() {
  rm -f "$RUN/token-$$"
  [ "$READY" = yes ] || echo "odin-heartbeat: failed: $(one_line "$(cat "$REASON")")" >&2
}

# answers NAME URL: fails unless the service answers with 200.
answers() {
  request "$2" /dev/null
  [ "$HTTP_STATUS" = 200 ] || fail "$1 does not answer at $2: $(http_problem /dev/null)"
}

# Checks that Prometheus evaluates its rules and that alerts reach Alertmanager: the alert Watchdog always
# fires. Before the first configuration there are no rules, so there is nothing to check.
alerts_arrive() {
  [ -e "$CONFIG/current/prometheus/rules/alerts.yml" ] || return 0
  request 'http://127.0.0.1:9093/api/v2/alerts?filter=alertname=Watchdog' "$RUN/heartbeat-alerts"
  grep --quiet '"Watchdog"' "$RUN/heartbeat-alerts" 2>/dev/null ||
    fail "Alertmanager does not list the alert that always fires (Watchdog): Prometheus does not evaluate its rules, or does not reach Alertmanager"
}

# The number of critical alerts that fire now, without alerts that are silenced or inhibited by another alert.
critical_alerts() {
  request 'http://127.0.0.1:9093/api/v2/alerts?active=true&silenced=false&inhibited=false&filter=severity=critical' "$RUN/heartbeat-alerts"
  [ "$HTTP_STATUS" = 200 ] || fail "Alertmanager does not list its alerts: $(http_problem /dev/null)"
  { grep --only-matching '"fingerprint"' "$RUN/heartbeat-alerts" || true; } | wc -l
}

# own PATH: a value of this VM from the metadata server.
own() {
  from_metadata "$1" "$RUN/heartbeat-metadata" || fail "no $1 from the metadata server ($(http_problem /dev/null))"
  cat "$RUN/heartbeat-metadata"
}
