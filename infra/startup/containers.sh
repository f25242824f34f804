# shellcheck shell=bash
# Containers as systemd units: odin-NAME.service runs the container odin-NAME.

UNITS=/etc/systemd/system
LIVE_SECONDS="${ODIN_LIVE_SECONDS:-120}" # time for a container to answer

# The home folder is in memory, so each boot logs in again. root's usual home folder is read-only.
export HOME="$RUN/home" DOCKER_CONFIG="$RUN/home/.docker"
DOCKER="$(command -v docker || echo /usr/bin/docker)"
# A change in one of these folders restarts a container.
FINGERPRINTED=("$RUN/env" "$RUN/secrets" "$RUN/files")
# Shell code that exports the variables in $RUN/env, also values of several lines.
# shellcheck disable=SC2016 # the shell that runs the code expands the variables
EXPORTS="shopt -s nullglob; for file in $RUN/env/*; do"'
  value="$(cat "$file"; printf x)"
  export "${file##*/}=${value%x}"
done'
MAIN="" # name of the container that gets the role's environment

image() { attribute "image-$1" ""; }

# The image that the line `odin-startup: ready` names.
main_image() { attribute "image-$MAIN" none; }

await_docker() {
  local attempt
  for ((attempt = 1; attempt <= ATTEMPTS; attempt++)); do
    "$DOCKER" version >/dev/null 2>"$RUN/docker-error" && return
    back_off "$attempt"
  done
  fail "docker does not answer: $(cat "$RUN/docker-error")"
}

# Configures docker to log in to Google's registries as the VM's service account.
log_in_to_registries() {
  local hosts="" file host
  for file in "$RUN"/attributes/odin-image-*; do
    host="$(cut -d / -f 1 "$file")"
    [[ "$host" =~ (-docker\.pkg\.dev|(^|\.)gcr\.io)$ && ",$hosts," != *",$host,"* ]] || continue
    hosts+="${hosts:+,}$host"
  done
  install -d "$HOME"
  [ -z "$hosts" ] || docker-credential-gcr configure-docker --registries="$hosts" >/dev/null 2>"$RUN/docker-error" ||
    fail "no login to $hosts: $(cat "$RUN/docker-error")"
}

# pull IMAGE…: pulls images that are not on the VM yet. So a reboot does not need the registry.
pull() {
  local image attempt
  for image in "$@"; do
    for ((attempt = 1; ; attempt++)); do
      ! "$DOCKER" image inspect "$image" >/dev/null 2>&1 || break
      ! "$DOCKER" pull --quiet "$image" >/dev/null 2>"$RUN/docker-error" || break
      [ "$attempt" -lt "$ATTEMPTS" ] || fail "$image cannot be pulled, tried $attempt times: $(cat "$RUN/docker-error")"
      log "pull of $image failed, attempt $attempt: $(one_line "$(cat "$RUN/docker-error")")"
      back_off "$attempt"
    done
  done
}

# Command `pull NAME`, for the unit of the log shipper: the start does not wait for its image, so the unit
# pulls it.
command_pull() { (
  REASON="$RUN/pull-reason"
  trap 'cat "$REASON" >&2' EXIT
  : >"$REASON"
  await_docker
  pull "$(image "$1")"
); }

# container NAME IMAGE MEMORY STOP_SECONDS [DOCKER OPTION…] -- [ARGUMENT…]: writes the unit of a container and
# the script that it runs. MEMORY is in bytes, swap included. STOP_SECONDS is the time from SIGTERM to
# SIGKILL. The variables UNIT_LINES and SERVICE_LINES hold additional lines for the sections [Unit] and
# [Service], STOP_COMMAND a command that stops the container.
container() {
  local name="$1" image="$2" memory="$3" stop="$4" options=() environment=() exports="" file
  shift 4
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  if [ "$name" = "$MAIN" ]; then
    exports="$EXPORTS"
    for file in "$RUN"/env/*; do environment+=(--env "${file##*/}"); done
  fi
  install -d "$RUN/containers"
  set -- "$DOCKER" run --detach --rm --init --name "odin-$name" --network host --pull never --read-only \
    --cap-drop ALL --security-opt no-new-privileges --ulimit "nofile=$NOFILE:$NOFILE" \
    --memory "$memory" --memory-swap "$memory" --stop-timeout "$stop" \
    --log-driver journald --log-opt "tag=odin-$name" --log-opt mode=non-blocking --log-opt max-buffer-size=4m \
    "${environment[@]}" "${options[@]}" "$image" "$@"
  # The variables exist only in the subshell, which ends when the container runs. The container is detached,
  # because otherwise its output would reach the journal twice: from docker's log driver and from this unit.
  write_file "$RUN/containers/$name.sh" <<SCRIPT
# Runs the container odin-$name until it ends. Written by the start-up script.
set -euo pipefail
(
$exports
exec$(printf ' %q' "$@")
) >/dev/null
exit "\$($DOCKER wait odin-$name)"
SCRIPT
  # The unit is ordered after docker, so it is stopped before docker. Only docker sends the stop signal, once:
  # the gateway exits at once when it gets a second signal.
  write_file "$UNITS/odin-$name.service" <<UNIT
[Unit]
Description=odin-ws $name
Wants=docker.service network-online.target
After=docker.service network-online.target
StartLimitIntervalSec=0
${UNIT_LINES:-}
[Service]
Environment=HOME=$HOME DOCKER_CONFIG=$DOCKER_CONFIG
${SERVICE_LINES:-}
ExecStartPre=-$DOCKER rm --force odin-$name
ExecStart=/bin/bash $RUN/containers/$name.sh
ExecStop=-${STOP_COMMAND:-$DOCKER stop -t $stop odin-$name}
ExecStopPost=-$DOCKER rm --force odin-$name
TimeoutStartSec=600
TimeoutStopSec=$((stop + 15))
Restart=always
RestartSec=2
LimitNOFILE=$NOFILE
UNIT
}

# each_minute NAME COMMAND SECONDS ENVIRONMENT [TIMER LINE…]: runs this script with COMMAND every minute, as
# the unit odin-NAME. A run may take SECONDS. ENVIRONMENT holds variables as NAME=VALUE. The TIMER LINEs go
# into the timer.
each_minute() {
  local name="$1" command="$2" seconds="$3" variables="$4"
  shift 4
  write_file "$UNITS/odin-$name.service" <<UNIT
[Unit]
Description=odin-ws $name
[Service]
Type=oneshot
Environment=ODIN_ATTEMPTS=2 ODIN_METADATA_URL=${METADATA%/computeMetadata/v1} $variables
ExecStart=/bin/bash $RUN/startup.sh $command
TimeoutStartSec=$seconds
UNIT
  write_file "$UNITS/odin-$name.timer" <<UNIT
[Unit]
Description=odin-ws $name, every minute
[Timer]
OnCalendar=minutely
$(printf '%s\n' "$@")
UNIT
  systemctl daemon-reload
  systemctl start "odin-$name.timer"
}

# start_container NAME [SYSTEMCTL OPTION…]: starts or restarts the container. Does nothing when the container
# runs and its unit, script, environment, secrets and files have not changed. Calls the function
# before_restart_NAME, if it exists, before it stops a running container.
start_container() {
  local name="$1" unit="odin-$1.service" now before=""
  shift
  now="$(fingerprint "$name")"
  [ ! -e "$RUN/containers/$name.started" ] || before="$(cat "$RUN/containers/$name.started")"
  if systemctl is-active --quiet "$unit"; then
    [ "$now" != "$before" ] || return 0
    ! declare -F "before_restart_$name" >/dev/null || "before_restart_$name"
  fi
  systemctl daemon-reload || fail "systemd cannot load $UNITS/$unit"
  systemctl "$@" restart "$unit" || fail "$unit does not start; last of its log: $(last_lines "$name")"
  printf '%s' "$now" >"$RUN/containers/$name.started"
}

fingerprint() {
  local folder files=("$UNITS/odin-$1.service" "$RUN/containers/$1.sh")
  for folder in "${FINGERPRINTED[@]}"; do files+=("$folder"/*); done
  sha256sum "${files[@]}" | sha256sum
}

# The last lines of a container's log, so that a failure shows its reason. Containers log the names of their
# settings, not the values.
last_lines() {
  local lines
  lines="$(journalctl --quiet --no-pager --output cat --lines 3 "CONTAINER_NAME=odin-$1" + "_SYSTEMD_UNIT=odin-$1.service" 2>/dev/null)" || true
  printf '%s' "${lines:-(nothing)}"
}

# await_200 NAME URL: waits until the container answers with 200. It fails early when the container has
# restarted five times, because such a container cannot run.
await_200() {
  local name="$1" url="$2" end=$((SECONDS + LIVE_SECONDS)) restarts
  until request "$url" /dev/null --max-time 3 && [ "$HTTP_STATUS" = 200 ]; do
    restarts="$(systemctl show --property NRestarts --value "odin-$name.service" 2>/dev/null || echo 0)"
    [ "${restarts:-0}" -lt 5 ] || fail "odin-$name keeps exiting; last of its log: $(last_lines "$name")"
    [ "$SECONDS" -lt "$end" ] ||
      fail "odin-$name: $(http_problem /dev/null) at $url for $LIVE_SECONDS s; last of its log: $(last_lines "$name")"
    sleep 1
  done
}

# Removes images that the metadata no longer names, because they would fill the boot disk. docker refuses to
# remove an image that a container uses.
remove_old_images() {
  local wanted id file
  wanted="$(for file in "$RUN"/attributes/odin-image-*; do "$DOCKER" image inspect --format '{{.Id}}' "$(cat "$file")" 2>/dev/null || true; done)"
  for id in $("$DOCKER" image ls --all --quiet --no-trunc 2>/dev/null || true); do
    [[ "$wanted" == *"$id"* ]] || "$DOCKER" image rm "$id" >/dev/null 2>&1 || true
  done
}
