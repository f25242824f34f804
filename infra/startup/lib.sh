#!/usr/bin/env bash
# Start-up script of a VM on Container-Optimized OS, run on each boot. It is this file, then parts that the role shares with others, then
# the role's own (boot.ts puts them together). All of it may run again at any time: what has not changed is left alone.
#
#   bash startup.sh                      makes the VM what its metadata says; ends with one line on the serial console and on stderr:
#                                          odin-startup: ready role=… image=… seconds=…
#                                          odin-startup: failed role=… step=…: reason
#   bash startup.sh COMMAND [ARGUMENT…]  what the units that it installs call
#
# The system has no jq, no gcloud and no Python; / is read-only, /etc and /run are emptied by a reboot, nothing in /var and /tmp is executable.
set -Eeuo pipefail
shopt -s inherit_errexit nullglob
umask 077

RUN=/run/odin       # this boot's: attributes, secrets, generated files; in memory
STATE=/var/lib/odin # what survives a reboot

# Tests set what begins with ODIN_, here and in the other parts.
METADATA="${ODIN_METADATA_URL:-http://metadata.google.internal}/computeMetadata/v1"
SERIAL="${ODIN_SERIAL:-/dev/ttyS0}"
ATTEMPTS="${ODIN_ATTEMPTS:-9}"         # with the pauses between them 2.5 min: grants take up to two to reach everywhere
PAUSE="${ODIN_PAUSE:-2}"               # s before the second attempt, doubled before each further one
MAX_PAUSE=30                           # s
HTTP_SECONDS="${ODIN_HTTP_SECONDS:-10}" # for one request
NOFILE="${ODIN_NOFILE:-200000}"        # open files of each container
LOCK_SECONDS=900                       # for an earlier run to end: a member of a cluster waits for its peers

STEP=start
READY=no
REASON="$RUN/reason"
HTTP_STATUS=000

main() {
  local command="${1:-start}"
  shift || true
  declare -F "command_$command" >/dev/null || {
    echo "startup.sh of $ROLE has no command '$command'" >&2
    exit 2
  }
  "command_$command" "$@"
}

command_start() {
  trap on_exit EXIT
  trap 'fail "stopped by a signal"' HUP INT TERM
  trap 'on_error "$LINENO" "$BASH_COMMAND" "$?"' ERR
  install -d -m 0711 "$RUN" "$RUN/secrets" # containers look up their own files in it, and cannot list it
  install -d -m 0755 "$STATE" "$RUN/files"
  exec 9>"$RUN/lock"
  flock --wait "$LOCK_SECONDS" 9 || fail "another run has been at it for $LOCK_SECONDS s"
  : >"$REASON"
  step metadata
  read_attributes
  role_steps
  step clean-up
  remove_old_images
  READY=yes
  rm -f "$RUN/failed"
  tell "odin-startup: ready role=$ROLE image=$(main_image) seconds=$SECONDS$(revision)"
}

# step NAME: what a failure from here on is said to have happened in.
step() {
  STEP="$1"
  log "step $1"
}

log() { echo "odin-startup[$$]: $*" >&2; }

# fail REASON: ends the run. No secret in it. Within $(…) it ends that, and so the run only where $(…) is all of an assignment.
fail() {
  printf '%s' "$*" >"$REASON"
  exit 1
}

# The command is as written, with its variables' names: no value gets out this way.
on_error() {
  [ -s "$REASON" ] || printf 'exit code %s of "%s" in line %s' "$3" "$2" "$1" >"$REASON"
}

on_exit() {
  local reason
  rm -f "$RUN/token-$$"
  [ "$READY" = no ] || return 0
  reason="$(cat "$REASON" 2>/dev/null)" || true
  : >"$RUN/failed" # the watch tries again
  tell "odin-startup: failed role=$ROLE step=$STEP: $(one_line "${reason:-unknown}")$(revision)"
  exit 1
}

# tell LINE: to the serial console and to stderr, which is the journal.
tell() {
  printf '%s\n' "$1" >&2
  { printf '%s\n' "$1" >>"$SERIAL"; } 2>/dev/null || true
}

one_line() {
  local text="${1//[$'\r\n\t']/ }"
  printf '%s' "${text:0:600}"
}

# Which metadata this is about, where it says so: an earlier boot's line is not mistaken for this one's.
revision() {
  local revision
  revision="$(attribute revision "")"
  printf '%s' "${revision:+ revision=$revision}"
}

# request URL FILE [CURL OPTION…]: one request; the body goes to FILE, the status to HTTP_STATUS, 000 without an answer.
request() {
  local url="$1" file="$2"
  shift 2
  HTTP_STATUS="$(curl --silent --show-error --connect-timeout 5 --max-time "$HTTP_SECONDS" --output "$file" \
    --write-out '%{http_code}' "$@" "$url" 2>"$RUN/curl-error")" || HTTP_STATUS=000
}

# fetch URL FILE [CURL OPTION…]: requests until 200; false when that is hopeless or has been tried often enough.
fetch() {
  local attempt
  for ((attempt = 1; ; attempt++)); do
    request "$@"
    case "$HTTP_STATUS" in
    200) return 0 ;;
    000 | 403 | 408 | 429 | 5??) ;; # 403: a new grant may not have arrived
    *) return 1 ;;
    esac
    [ "$attempt" -lt "$ATTEMPTS" ] || return 1
    back_off "$attempt"
  done
}

# back_off ATTEMPT: sleeps, the longer the more attempts there were.
back_off() {
  local pause=$((PAUSE << ($1 - 1)))
  sleep $((pause < MAX_PAUSE ? pause : MAX_PAUSE))
}

# http_problem FILE: what the last request came to; FILE: Google's JSON about the error, or /dev/null.
http_problem() {
  local message=""
  if [ "$HTTP_STATUS" = 000 ]; then
    printf 'no answer: %s' "$(cat "$RUN/curl-error")"
    return
  fi
  message="$(sed -n 's/.*"message"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$1" | head -n 1)"
  printf 'HTTP %s%s' "$HTTP_STATUS" "${message:+: $message}"
}

# from_metadata PATH FILE [CURL OPTION…]
from_metadata() {
  local path="$1"
  shift
  fetch "$METADATA/$path" "$@" --header 'Metadata-Flavor: Google'
}

# Reads all attributes odin-… into files of the same name, and this script itself, for the units.
read_attributes() {
  local folder="$RUN/attributes.new" name
  # Before the values: what changes while they are read differs from it and so wakes the watch.
  from_metadata 'instance/attributes/?recursive=true' /dev/null --dump-header "$RUN/headers" ||
    fail "the metadata server at $METADATA does not answer ($(http_problem /dev/null))"
  etag "$RUN/headers" >"$RUN/etag"
  from_metadata instance/attributes/ "$RUN/names" || fail "no list of attributes from the metadata server ($(http_problem /dev/null))"
  rm -rf "$folder"
  mkdir "$folder"
  while IFS= read -r name || [ -n "$name" ]; do
    [[ "$name" =~ ^odin-[A-Za-z0-9_-]+$ ]] || continue
    from_metadata "instance/attributes/$name" "$folder/$name" || fail "metadata attribute $name cannot be read ($(http_problem /dev/null))"
    [ -e "$folder/$name" ] || : >"$folder/$name" # curl makes no file of an empty value
  done <"$RUN/names"
  from_metadata instance/attributes/startup-script "$RUN/startup.new" ||
    fail "metadata attribute startup-script cannot be read ($(http_problem /dev/null))"
  mv "$RUN/startup.new" "$RUN/startup.sh" # a unit that reads the old one goes on reading that
  rm -rf "$RUN/attributes"
  mv "$folder" "$RUN/attributes"
  need role
  [ "$(attribute role "")" = "$ROLE" ] || fail "metadata attribute odin-role is '$(attribute role "")', but this is the script of $ROLE"
}

etag() { sed -n 's/^[Ee][Tt][Aa][Gg]:[[:space:]]*\([^[:space:]]*\).*/\1/p' "$1"; }

# attribute NAME DEFAULT: the value of odin-NAME.
attribute() {
  if [ -e "$RUN/attributes/odin-$1" ]; then cat "$RUN/attributes/odin-$1"; else printf '%s' "$2"; fi
}

# need NAME…: ends the run unless every odin-NAME has a value.
need() {
  local name
  for name in "$@"; do
    [ -n "$(attribute "$name" "")" ] || fail "metadata attribute odin-$name is missing"
  done
}

# whole_number NAME DEFAULT
whole_number() {
  local value
  value="$(attribute "$1" "$2")"
  [[ "$value" =~ ^[0-9]{1,6}$ ]] || fail "metadata attribute odin-$1 must be a whole number, not '$value'"
  printf '%s' "$value"
}

# open_ports PORT…: the system's own firewall lets in nothing but SSH; who reaches a port is for the network's firewall to say.
open_ports() {
  local port
  for port in "$@"; do
    iptables --wait --check INPUT --protocol tcp --dport "$port" --jump ACCEPT 2>/dev/null ||
      iptables --wait --append INPUT --protocol tcp --dport "$port" --jump ACCEPT
  done
}

# set_kernel NAME=VALUE…
set_kernel() { sysctl --quiet --write "$@" >/dev/null; }

# For people and programs outside of containers, where the image has limits at all.
raise_file_limit() {
  [ -d /etc/security ] || return 0
  install -d -m 0755 /etc/security/limits.d
  printf '%s - nofile %s\n' '*' "$NOFILE" root "$NOFILE" | write_file /etc/security/limits.d/90-odin.conf
}

# write_file FILE: from stdin, in one go, for all to read.
write_file() {
  (umask 022 && cat >"$1.new")
  mv "$1.new" "$1"
}

# Bytes of the machine's memory.
total_memory() { awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo; }
