#!/usr/bin/env bash
# Start-up script of a VM on Container-Optimized OS. It runs on each boot. The script consists of this file,
# of parts that several roles share, and of the role's own file (infra/machines/boot.ts joins them). It may
# run again at any time: it changes only what differs from the metadata.
#
#   bash startup.sh                      sets up the VM as its metadata says; ends with one line on the serial
#                                        console and on stderr:
#                                          odin-startup: ready role=… image=… seconds=…
#                                          odin-startup: failed role=… step=…: reason
#   bash startup.sh COMMAND [ARGUMENT…]  runs a command; the units that the script installs use this
#
# The system has no jq, no gcloud and no Python. / is read-only, a reboot empties /etc and /run, and files in
# /var and /tmp cannot be executed.
set -Eeuo pipefail
shopt -s inherit_errexit nullglob
umask 077

RUN=/run/odin       # data of this boot: attributes, secrets, generated files; in memory
STATE=/var/lib/odin # data that survives a reboot

# Only tests set the variables that begin with ODIN_, here and in the other parts.
METADATA="${ODIN_METADATA_URL:-http://metadata.google.internal}/computeMetadata/v1"
SERIAL="${ODIN_SERIAL:-/dev/ttyS0}"
ATTEMPTS="${ODIN_ATTEMPTS:-9}"         # 2.5 min with the pauses: a new grant takes up to 2 min to arrive
PAUSE="${ODIN_PAUSE:-2}"               # s before the second attempt; each further pause is twice as long
MAX_PAUSE=30                           # s
HTTP_SECONDS="${ODIN_HTTP_SECONDS:-10}" # time for one request
NOFILE="${ODIN_NOFILE:-200000}"        # open files of each container
LOCK_SECONDS=900                       # for an earlier run to end, which may wait for other NATS servers

STOPPED="stopped by a signal" # the reason of a run that a signal has ended
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
  trap 'fail "$STOPPED"' HUP INT TERM
  trap 'on_error "$LINENO" "$BASH_COMMAND" "$?"' ERR
  install -d -m 0711 "$RUN" "$RUN/secrets" # containers can open their own files, but not list the folder
  install -d -m 0755 "$STATE" "$RUN/files"
  exec 9>"$RUN/lock"
  flock --wait "$LOCK_SECONDS" 9 || fail "another run of this script has not ended within $LOCK_SECONDS s"
  : >"$REASON"
  step metadata
  read_attributes
  role_steps
  step clean-up
  remove_old_images
  READY=yes
  rm -f "$RUN/failed"
  announce "odin-startup: ready role=$ROLE image=$(main_image) seconds=$SECONDS$(revision)"
}

# step NAME: begins a step. The line of a failure names the current step.
step() {
  STEP="$1"
  log "step $1"
}

log() { echo "odin-startup[$$]: $*" >&2; }

# fail REASON: ends the run. REASON must not contain a secret. Within $(…), fail ends only the subshell; the
# run then ends too only if the command is an assignment of nothing but $(…), such as value="$(command)".
fail() {
  printf '%s' "$*" >"$REASON"
  exit 1
}

# $BASH_COMMAND is the command as it is written, with the names of variables, so the reason contains no
# values.
on_error() {
  [ -s "$REASON" ] || printf 'exit code %s of "%s" in line %s' "$3" "$2" "$1" >"$REASON"
}

on_exit() {
  local reason
  rm -f "$RUN/token-$$"
  [ "$READY" = no ] || return 0
  reason="$(cat "$REASON" 2>/dev/null)" || true
  ! declare -F on_failure >/dev/null || (trap - EXIT ERR && on_failure) || true
  : >"$RUN/failed" # the watch starts the script again when this file exists
  announce "odin-startup: failed role=$ROLE step=$STEP: $(one_line "${reason:-unknown}")$(revision)"
  exit 1
}

# announce LINE: prints a line on the serial console and on stderr, which goes to the journal.
announce() {
  printf '%s\n' "$1" >&2
  { printf '%s\n' "$1" >>"$SERIAL"; } 2>/dev/null || true
}

one_line() {
  local text="${1//[$'\r\n\t']/ }"
  printf '%s' "${text:0:600}"
}

# ` revision=…` when the metadata has a revision. The revision distinguishes the line of this run from the
# line of an earlier boot or of other metadata.
revision() {
  local revision
  revision="$(attribute revision "")"
  printf '%s' "${revision:+ revision=$revision}"
}

# request URL FILE [CURL OPTION…]: sends one request. The body goes to FILE, the status to HTTP_STATUS (000:
# no answer).
request() {
  local url="$1" file="$2"
  shift 2
  HTTP_STATUS="$(curl --silent --show-error --connect-timeout 5 --max-time "$HTTP_SECONDS" --output "$file" \
    --write-out '%{http_code}' "$@" "$url" 2>"$RUN/curl-error")" || HTTP_STATUS=000
}

# fetch URL FILE [CURL OPTION…]: repeats the request until the status is 200. Fails when the status is
# permanent or after $ATTEMPTS attempts.
fetch() {
  local attempt
  for ((attempt = 1; ; attempt++)); do
    request "$@"
    case "$HTTP_STATUS" in
    200) return 0 ;;
    000 | 403 | 408 | 429 | 5??) ;; # 403: a new grant may not have arrived yet
    *) return 1 ;;
    esac
    [ "$attempt" -lt "$ATTEMPTS" ] || return 1
    back_off "$attempt"
  done
}

# back_off ATTEMPT: sleeps before the next attempt; the pause doubles with each attempt, up to $MAX_PAUSE.
back_off() {
  local pause=$((PAUSE << ($1 - 1)))
  sleep $((pause < MAX_PAUSE ? pause : MAX_PAUSE))
}

# http_problem FILE: describes the result of the last request. FILE is the answer's body (Google's JSON with
# an error message), or /dev/null.
http_problem() {
  local message=""
  if [ "$HTTP_STATUS" = 000 ]; then
    printf 'no answer: %s' "$(cat "$RUN/curl-error")"
    return
  fi
  message="$(sed -n 's/.*"message"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$1" | head -n 1)"
  printf 'HTTP %s%s' "$HTTP_STATUS" "${message:+: $message}"
}

# from_metadata PATH FILE [CURL OPTION…]: fetches a value from the metadata server.
from_metadata() {
  local path="$1"
  shift
  fetch "$METADATA/$path" "$@" --header 'Metadata-Flavor: Google'
}

# Reads all attributes odin-… into files of the same name. Also reads this script, because the units run it.
read_attributes() {
  local folder="$RUN/attributes.new" name
  # The etag is read before the values. If the metadata changes while the values are read, the etag differs
  # from the new one, and the watch starts the script again.
  from_metadata 'instance/attributes/?recursive=true' /dev/null --dump-header "$RUN/headers" ||
    fail "the metadata server at $METADATA does not answer ($(http_problem /dev/null))"
  etag "$RUN/headers" >"$RUN/etag"
  from_metadata instance/attributes/ "$RUN/names" || fail "no list of attributes from the metadata server ($(http_problem /dev/null))"
  rm -rf "$folder"
  mkdir "$folder"
  while IFS= read -r name || [ -n "$name" ]; do
    [[ "$name" =~ ^odin-[A-Za-z0-9_-]+$ ]] || continue
    from_metadata "instance/attributes/$name" "$folder/$name" || fail "metadata attribute $name cannot be read ($(http_problem /dev/null))"
    [ -e "$folder/$name" ] || : >"$folder/$name" # curl creates no file for an empty value
  done <"$RUN/names"
  from_metadata instance/attributes/startup-script "$RUN/startup.new" ||
    fail "metadata attribute startup-script cannot be read ($(http_problem /dev/null))"
  mv "$RUN/startup.new" "$RUN/startup.sh" # a running unit continues to read the old file
  rm -rf "$RUN/attributes"
  mv "$folder" "$RUN/attributes"
  need role
  [ "$(attribute role "")" = "$ROLE" ] || fail "metadata attribute odin-role is '$(attribute role "")', but this is the script of $ROLE"
}

etag() { sed -n 's/^[Ee][Tt][Aa][Gg]:[[:space:]]*\([^[:space:]]*\).*/\1/p' "$1"; }

# attribute NAME DEFAULT: prints the value of the attribute odin-NAME, or DEFAULT when there is no such
# attribute.
attribute() {
  if [ -e "$RUN/attributes/odin-$1" ]; then cat "$RUN/attributes/odin-$1"; else printf '%s' "$2"; fi
}

# need NAME…: ends the run unless every attribute odin-NAME has a value.
need() {
  local name
  for name in "$@"; do
    [ -n "$(attribute "$name" "")" ] || fail "metadata attribute odin-$name is missing"
  done
}

# whole_number NAME DEFAULT: prints the attribute odin-NAME; ends the run when the value is not a whole
# number.
whole_number() {
  local value
  value="$(attribute "$1" "$2")"
  [[ "$value" =~ ^[0-9]{1,6}$ ]] || fail "metadata attribute odin-$1 must be a whole number, not '$value'"
  printf '%s' "$value"
}

# open_ports PORT…: opens ports in the system's own firewall, which allows only SSH at first. The firewall
# rules of the network decide which machines can reach a port.
open_ports() {
  local port
  for port in "$@"; do
    iptables --wait --check INPUT --protocol tcp --dport "$port" --jump ACCEPT 2>/dev/null ||
      iptables --wait --append INPUT --protocol tcp --dport "$port" --jump ACCEPT
  done
}

# set_kernel NAME=VALUE…: sets kernel parameters.
set_kernel() { sysctl --quiet --write "$@" >/dev/null; }

# Raises the limit of open files for people and programs outside of containers, if the VM image has such
# limits.
raise_file_limit() {
  [ -d /etc/security ] || return 0
  install -d -m 0755 /etc/security/limits.d
  printf '%s - nofile %s\n' '*' "$NOFILE" root "$NOFILE" | write_file /etc/security/limits.d/90-odin.conf
}

# write_file FILE: replaces FILE atomically with the content of stdin; everyone can read the file.
write_file() {
  (umask 022 && cat >"$1.new")
  mv "$1.new" "$1"
}

# Bytes of the machine's memory.
total_memory() { awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo; }
