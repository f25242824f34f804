# shellcheck shell=bash
# Prometheus, Alertmanager, Loki and Grafana. Each has a share of the machine's memory, its own data folder,
# and its configuration in the bucket's folder of the same name. A service without an image or a configuration
# does not run. The exporter of NATS runs too, when the attribute nats-monitoring names NATS servers.

PROMETHEUS_SHARE=32 # percent of the machine's memory
LOKI_SHARE=20
GRAFANA_SHARE=15
ALERTMANAGER_SHARE=4
NATS_EXPORTER_SHARE=3
RETENTION_TIME=31d # the error budgets cover 30 days; RETENTION_SHARE shortens the retention on a small disk
RETENTION_SHARE=50 # percent of the data disk that Prometheus may use
STACK=(prometheus alertmanager loki grafana)

# start_stack DATA_FOLDER: starts all services that have an image.
start_stack() {
  local name
  for name in "${STACK[@]}"; do
    [ -n "$(image "$name")" ] || continue
    "start_$name" "$1/$name"
  done
  start_nats_exporter
}

pull_stack() {
  local name
  for name in "${STACK[@]}" nats-exporter; do
    [ -z "$(image "$name")" ] || pull "$(image "$name")"
  done
}

# stack_container NAME UID SHARE DATA CONFIG_FILE [DOCKER OPTION…] -- ARGUMENT…: starts a service. CONFIG_FILE
# is a path in the bucket, empty for a service that needs no configuration.
stack_container() {
  local name="$1" uid="$2" memory=$(($(total_memory) * $3 / 100)) data="$4" needs="$5"
  shift 5
  install -d -m 0700 -o "$uid" -g "$uid" "$data"
  UNIT_LINES="${needs:+ConditionPathExists=$CONFIG/current/$needs}" \
    container "$name" "$(image "$name")" "$memory" 60 \
    --user "$uid:$uid" --env "GOMEMLIMIT=$((memory * 9 / 10))" --tmpfs /tmp:rw,noexec,nosuid,size=64m \
    --volume "$data:$data" --volume "$CONFIG:$CONFIG:ro" --volume "$RUN/secrets:$RUN/secrets:ro" "$@"
  start_container "$name"
}

start_prometheus() {
  local size
  install -d "$1"
  size="$(df --output=size --block-size=1M "$1" | tail -n 1)"
  stack_container prometheus 65534 "$PROMETHEUS_SHARE" "$1" prometheus/prometheus.yml -- \
    --config.file="$CONFIG/current/prometheus/prometheus.yml" --storage.tsdb.path="$1" \
    --storage.tsdb.retention.time="$RETENTION_TIME" --storage.tsdb.retention.size="$((size * RETENTION_SHARE / 100))MB" \
    --web.listen-address=0.0.0.0:9090 --web.enable-lifecycle
}

start_alertmanager() {
  stack_container alertmanager 65534 "$ALERTMANAGER_SHARE" "$1" alertmanager/alertmanager.yml -- \
    --config.file="$CONFIG/current/alertmanager/alertmanager.yml" --storage.path="$1" \
    --web.listen-address=0.0.0.0:9093 --cluster.listen-address=
}

start_loki() {
  local from
  from="$(loki_bucket_from "$1")"
  stack_container loki 10001 "$LOKI_SHARE" "$1" loki/loki.yml --env "LOKI_DATA=$1" --env "LOKI_BUCKET_FROM=$from" -- \
    -config.file="$CONFIG/current/loki/loki.yml" -config.expand-env=true
}

# loki_bucket_from DATA: prints the first day (UTC) of which Loki keeps the logs in its bucket. The day is
# chosen once and stays on the disk: another day would hide logs that were written before. A disk without logs
# gets a day long ago, so a new disk shows everything that the bucket has. On a disk with logs, the days until
# tomorrow belong to the disk, because Loki may still hold lines of these days in memory.
loki_bucket_from() {
  local file="$1/bucket-from" day=2025-01-02
  if [ ! -s "$file" ]; then
    [ ! -d "$1/chunks" ] || day="$(date --utc --date "2 days" +%F)"
    install -d "$1"
    write_file "$file" <<<"$day"
    sync "$1"
  fi
  cat "$file"
}

# Grafana uses the password only when it creates its database. Later, the password is changed in Grafana.
start_grafana() {
  local settings=() setting
  for setting in SERVER_HTTP_PORT=3010 "PATHS_DATA=$1" "PATHS_PLUGINS=$1/plugins" "PATHS_LOGS=$1/log" LOG_MODE=console \
    "PATHS_PROVISIONING=$CONFIG/current/grafana/provisioning" "SECURITY_ADMIN_PASSWORD__FILE=$RUN/secrets/grafana-admin-password" \
    USERS_ALLOW_SIGN_UP=false ANALYTICS_REPORTING_ENABLED=false ANALYTICS_CHECK_FOR_UPDATES=false \
    ANALYTICS_CHECK_FOR_PLUGIN_UPDATES=false PLUGINS_PREINSTALL_DISABLED=true NEWS_NEWS_FEED_ENABLED=false; do
    settings+=(--env "GF_$setting")
  done
  stack_container grafana 472 "$GRAFANA_SHARE" "$1" "" "${settings[@]}" --
}

# The exporter asks the NATS servers whenever Prometheus, its only client, scrapes it. The attribute
# nats-monitoring holds `NAME,http://HOST:8222` for each server.
start_nats_exporter() {
  local servers
  read -r -a servers <<<"$(attribute nats-monitoring "")"
  [ -n "$(image nats-exporter)" ] && [ "${#servers[@]}" -gt 0 ] || return 0
  container nats-exporter "$(image nats-exporter)" $(($(total_memory) * NATS_EXPORTER_SHARE / 100)) 10 \
    --user 65532:65532 -- -addr 127.0.0.1 -port 7777 -varz -healthz -jsz=streams "${servers[@]}"
  start_container nats-exporter
}

# The log shipper probes the certificates of the NATS servers, whose CA is a file in the metadata.
probed_servers() {
  [ ! -e "$RUN/files/nats-ca" ] || SHIPPER_OPTIONS+=(--volume "$RUN/files:$RUN/files:ro")
}

# Waits until all services that can run report that they are ready.
await_stack() {
  await_part prometheus prometheus/prometheus.yml 9090/-/ready
  await_part alertmanager alertmanager/alertmanager.yml 9093/-/ready
  await_part loki loki/loki.yml 3100/ready
  await_part grafana "" 3010/api/health
}

await_part() {
  [ -n "$(image "$1")" ] && [ -e "$CONFIG/current/$2" ] || return 0
  await_200 "$1" "http://127.0.0.1:$3"
}
