# shellcheck shell=bash
# Configuration from a bucket, whose object `manifest` contains a line `SHA-256  PATH` for each file.
# $CONFIG/current is always a complete set of files with correct checksums; containers see it at the same
# path. The files survive a reboot, so a reboot does not need the bucket.

STORAGE="${ODIN_STORAGE_URL:-https://storage.googleapis.com}"
CONFIG="$STATE/config"
CONFIG_PREFIX="" # start of the paths that this role downloads; empty: all paths
SHIPPER_CONFIG="" # configuration file of the log shipper, for roles that have a log shipper
SHIPPER_OPTIONS=() # additional docker options of the log shipper
# Address of the log shipper's HTTP server, which has the metrics of the machine. Where Prometheus runs on
# another machine, the role opens the port.
SHIPPER_LISTEN=127.0.0.1
SHIPPER_PORT=12345

# From now on, downloads changed files every minute. Does nothing without a bucket.
install_config_sync() {
  [ -n "$(attribute config-bucket "")" ] || return 0
  each_minute config-sync sync 600 "ODIN_STORAGE_URL=$STORAGE" AccuracySec=5s RandomizedDelaySec=10s
}

# Downloads changed files now. When the bucket is not available, the files of an earlier boot are used.
sync_now() {
  bash "$RUN/startup.sh" sync || [ -e "$CONFIG/current/manifest" ] || fail "$(cat "$RUN/sync-reason")"
}

command_sync() {
  REASON="$RUN/sync-reason"
  trap on_sync_exit EXIT
  trap 'on_error "$LINENO" "$BASH_COMMAND" "$?"' ERR
  exec 8>"$RUN/sync.lock"
  flock --wait 300 8 || fail "another download has been running for 300 s"
  : >"$REASON"
  install -d -m 0755 "$STATE" "$CONFIG" "$CONFIG/pending"
  fetch_token
  sync_config
  reload_pending
  READY=yes
}

on_sync_exit() {
  rm -rf "$RUN/token-$$" "$CONFIG/next"
  [ "$READY" = yes ] || echo "odin-config-sync: failed: $(one_line "$(cat "$REASON")")" >&2
}

# Makes $CONFIG/current equal to the bucket's files, or leaves $CONFIG/current unchanged.
sync_config() {
  local next="$CONFIG/next" current="$CONFIG/current" line path wrong name id folder
  umask 022
  rm -rf "$next"
  mkdir "$next"
  fetch_object manifest "$next/all"
  while IFS= read -r line || [ -n "$line" ]; do
    [[ "$line" =~ ^[0-9a-f]{64}\ \ [A-Za-z0-9][A-Za-z0-9._/-]*$ && "$line" != *..* && "$line" != *//* ]] ||
      fail "the manifest has a line that is not 'SHA-256  PATH': $line"
    [[ "${line:66}" != "$CONFIG_PREFIX"* ]] || printf '%s\n' "$line"
  done <"$next/all" >"$next/manifest"
  rm "$next/all"
  [ -s "$next/manifest" ] || fail "the manifest has no file whose path starts with '$CONFIG_PREFIX'"
  ! cmp --silent "$next/manifest" "$current/manifest" || return 0
  while IFS= read -r line; do
    path="${line:66}"
    mkdir -p "$next/$(dirname "$path")"
    if grep --quiet --fixed-strings --line-regexp -- "$line" "$current/manifest" 2>/dev/null; then
      cp "$current/$path" "$next/$path"
    else
      fetch_object "$path" "$next/$path"
    fi
  done <"$next/manifest"
  # The checksums are also wrong while a deployment writes to the bucket. The run of the next minute tries
  # again.
  wrong="$(cd "$next" && sha256sum --check --quiet manifest 2>/dev/null)" ||
    fail "files do not match the manifest, so the old configuration stays: $wrong"
  for name in $(changed_services "$current/manifest" "$next/manifest"); do : >"$CONFIG/pending/$name"; done
  id="$(sha256sum "$next/manifest" | cut -c 1-16)"
  rm -rf "${CONFIG:?}/$id"
  mv "$next" "$CONFIG/$id"
  ln -s "$id" "$CONFIG/current.new"
  mv --no-target-directory "$CONFIG/current.new" "$current"
  for folder in "$CONFIG"/*/; do
    case "$(basename "$folder")" in "$id" | current | pending) ;; *) rm -rf "$folder" ;; esac
  done
  log "configuration $id"
}

# fetch_object PATH FILE: downloads an object of the bucket.
fetch_object() {
  fetch "$STORAGE/$(attribute config-bucket "")/$1" "$2" --header "@$RUN/token-$$" ||
    fail "$1 in bucket $(attribute config-bucket ""): $(http_problem /dev/null)"
  [ -e "$2" ] || : >"$2" # curl creates no file for an empty object
}

# changed_services MANIFEST MANIFEST: prints the services whose files differ. The first folder of a path is
# the name of the service. Dashboards do not count, because Grafana looks for new dashboards itself.
changed_services() {
  { cat "$1" 2>/dev/null || true; cat "$2"; } | sort | uniq --unique | cut -c 67- |
    sed -e '/^grafana\/dashboards\//d' -e 's/\/.*//' -e 's/^alloy$/log-shipper/' | sort --unique
}

# Reloads the services in $CONFIG/pending. A service whose reload fails stays in there for the next minute.
reload_pending() {
  local file failed=""
  for file in "$CONFIG"/pending/*; do
    if reload "${file##*/}"; then rm "$file"; else failed+=" ${file##*/}: $(http_problem /dev/null) $(one_line "$(cat "$RUN/reload-answer")")"; fi
  done
  [ -z "$failed" ] || fail "not reloaded:$failed"
}

# reload NAME: fails when the service refuses its new configuration; the service then continues with the old
# one.
reload() {
  local unit="odin-$1.service" url
  [ -e "$UNITS/$unit" ] || return 0
  case "$1" in
  prometheus) url=http://127.0.0.1:9090/-/reload ;;
  alertmanager) url=http://127.0.0.1:9093/-/reload ;;
  log-shipper) url=http://127.0.0.1:12345/-/reload ;;
  *) url="" ;;
  esac
  if [ -z "$url" ] || ! systemctl is-active --quiet "$unit"; then
    systemctl restart --no-block "$unit"
    return
  fi
  : >"$RUN/reload-answer"
  request "$url" "$RUN/reload-answer" --request POST
  [ "$HTTP_STATUS" = 200 ]
}

# watched_disks FOLDER…: mounts disks into the log shipper, whose node exporter watches them. The exporter
# uses /host as its root folder.
watched_disks() {
  local disk
  for disk in "$@"; do SHIPPER_OPTIONS+=(--volume "$disk:/host$disk:ro"); done
}

# The log shipper: Alloy reads the journal and sends it to Loki. It must not take resources that clients need:
# it is limited to 0.1 CPU and 256 MB, and the start waits neither for its image nor for its configuration.
SHIPPER_MEMORY=$((256 * 1024 * 1024))
install_log_shipper() {
  local loki instance
  loki="$(attribute loki-url "")"
  [ -n "$loki" ] && [ -n "$(image alloy)" ] || return 0
  from_metadata instance/name "$RUN/instance-name" || fail "no instance name from the metadata server ($(http_problem /dev/null))"
  instance="$(cat "$RUN/instance-name")"
  install -d -m 0755 "$STATE/alloy"
  UNIT_LINES="ConditionPathExists=$CONFIG/current/$SHIPPER_CONFIG" \
    SERVICE_LINES="ExecStartPre=/bin/bash $RUN/startup.sh pull alloy" \
    container log-shipper "$(image alloy)" "$SHIPPER_MEMORY" 10 \
    --user 0:0 --cpus 0.1 --env "GOMEMLIMIT=$((SHIPPER_MEMORY * 8 / 10))" \
    --env "LOKI_URL=$loki" --env "ODIN_ROLE=$ROLE" --env "ODIN_INSTANCE=$instance" \
    --volume /var/log/journal:/var/log/journal:ro --volume /run/log/journal:/run/log/journal:ro \
    --volume /etc/machine-id:/etc/machine-id:ro --volume "$CONFIG:$CONFIG:ro" --volume "$STATE/alloy:/var/lib/alloy/data" \
    "${SHIPPER_OPTIONS[@]}" \
    -- run --server.http.listen-addr="$SHIPPER_LISTEN:$SHIPPER_PORT" --storage.path=/var/lib/alloy/data --disable-reporting \
    "$CONFIG/current/$SHIPPER_CONFIG"
  start_container log-shipper --no-block
}
