# shellcheck shell=bash
# The heartbeat of monitoring. Each minute this VM writes a number to Cloud Monitoring, but only while
# Prometheus and Alertmanager answer and the alert that always fires reaches Alertmanager. Without the number,
# Cloud Monitoring raises an alert. The number is the count of critical alerts that fire. A second metric has
# a series for each critical alert and each warning that fires: Google sends mail about each of them, because
# our machines cannot send mail.

MONITORING="${ODIN_MONITORING_URL:-https://monitoring.googleapis.com}"
# Alerts that fire now, without alerts that are silenced or inhibited by another alert. A severity follows.
FIRING='http://127.0.0.1:9093/api/v2/alerts?active=true&silenced=false&inhibited=false&filter=severity='
MAX_SERIES=190 # Cloud Monitoring takes 200 series in one request

install_heartbeat() {
  [ -n "$(attribute heartbeat-metric "")" ] || return 0
  each_minute heartbeat heartbeat 50 "ODIN_MONITORING_URL=$MONITORING" AccuracySec=1s
}

command_heartbeat() {
  local project instance zone critical series
  REASON="$RUN/heartbeat-reason"
  trap on_heartbeat_exit EXIT
  trap 'on_error "$LINENO" "$BASH_COMMAND" "$?"' ERR
  : >"$REASON"
  answers Prometheus http://127.0.0.1:9090/-/ready
  answers Alertmanager http://127.0.0.1:9093/-/ready
  alerts_arrive
  firing critical >"$RUN/heartbeat-firing"
  critical="$(awk '{ sum += $1 } END { print sum + 0 }' "$RUN/heartbeat-firing")"
  firing warning >>"$RUN/heartbeat-firing"
  project="$(own project/project-id)"
  instance="$(own instance/id)"
  zone="$(own instance/zone)" # projects/123/zones/us-central1-a
  fetch_token
  series="$(printf '"resource": {"type": "gce_instance", "labels": {"project_id": "%s", "instance_id": "%s", "zone": "%s"}}, "metricKind": "GAUGE", "valueType": "INT64", "points": [{"interval": {"endTime": "%s"}' \
    "$project" "$instance" "${zone##*/}" "$(date --utc +%Y-%m-%dT%H:%M:%SZ)")"
  {
    printf '{"timeSeries": [{"metric": {"type": "%s"}, %s, "value": {"int64Value": "%s"}}]}' "$(attribute heartbeat-metric "")" "$series" "$critical"
    [ -z "$(attribute alerts-metric "")" ] || alert_series "$(attribute alerts-metric "")" "$series"
    printf ']}'
  } >"$RUN/heartbeat.json"
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

# firing SEVERITY: prints a line `COUNT ALERT SEVERITY` for each alert of the severity that fires now.
firing() {
  request "$FIRING$1" "$RUN/heartbeat-alerts"
  [ "$HTTP_STATUS" = 200 ] || fail "Alertmanager does not list its alerts: $(http_problem /dev/null)"
  { grep --only-matching '"alertname":"[A-Za-z0-9_]*"' "$RUN/heartbeat-alerts" || true; } |
    cut -d '"' -f 4 | sort | uniq --count | awk -v severity="$1" '{ print $1, $2, severity }'
}

# alert_series METRIC SERIES: prints a time series, after a comma, for each line of heartbeat-firing.
alert_series() {
  local count alert severity
  while read -r count alert severity; do
    printf ', {"metric": {"type": "%s", "labels": {"alert": "%s", "severity": "%s"}}, %s, "value": {"int64Value": "%s"}}]}' \
      "$1" "$alert" "$severity" "$2" "$count"
  done < <(head -n "$MAX_SERIES" "$RUN/heartbeat-firing")
}

# own PATH: a value of this VM from the metadata server.
own() {
  from_metadata "$1" "$RUN/heartbeat-metadata" || fail "no $1 from the metadata server ($(http_problem /dev/null))"
  cat "$RUN/heartbeat-metadata"
}
