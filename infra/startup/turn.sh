# shellcheck shell=bash
# Lets gateways restart one after the other. All gateways of a deployment get changed metadata at the same
# time. The object `turn` of a bucket belongs to the gateway that restarts: the others wait until it is gone.
# A gateway that does not come back leaves its mark in the object, so that the others keep running as they
# are. Storage creates, replaces or deletes an object only in the generation that the request names, so no two
# gateways can have the turn.

TURN_POLL="${ODIN_TURN_POLL:-1}"          # s between two looks at the object
TURN_LEASE="${ODIN_TURN_LEASE:-300}"      # s after which the turn of a VM that disappeared is over
TURN_FAILED="${ODIN_TURN_FAILED:-900}"    # s for which the mark of a failed gateway stops the others
TURN_SECONDS="${ODIN_TURN_SECONDS:-1200}" # s to wait for the turn: more than twenty gateways need
TURN_GENERATION=""

turn_url() { printf '%s/%s/turn' "$STORAGE" "$(attribute turn-bucket "")"; }

# take_turn: waits for the turn. Ends the run when another gateway has failed with the same metadata, or when
# the metadata has changed again. Does nothing without a bucket.
take_turn() {
  local end=$((SECONDS + TURN_SECONDS)) owner="" before="" name
  [ -n "$(attribute turn-bucket "")" ] || return 0
  from_metadata instance/name "$RUN/instance-name" || fail "no instance name from the metadata server ($(http_problem /dev/null))"
  name="$(cat "$RUN/instance-name")"
  fetch_token
  until put_turn 0 "restarting $name $(attribute revision none)"; do
    owner="$(turn_of_another "$name")"
    if [ "$owner" != "$before" ]; then log "waits for its turn: ${owner:-$(http_problem /dev/null)}"; fi
    before="$owner"
    unchanged_metadata || fail "not restarted: the metadata has changed again"
    [ "$SECONDS" -lt "$end" ] || fail "not restarted: it was not this gateway's turn within $TURN_SECONDS s, last: ${owner:-$(http_problem /dev/null)}"
    sleep "$TURN_POLL"
    fetch_token
  done
  rm -f "$RUN/token-$$"
}

# put_turn GENERATION TEXT: writes the object, if it has this generation (0: it does not exist).
put_turn() {
  request "$(turn_url)" /dev/null --request PUT --header "@$RUN/token-$$" --header "x-goog-if-generation-match: $1" \
    --header 'Content-Type: text/plain' --header 'Cache-Control: no-store' --data-binary "$2" --dump-header "$RUN/turn-headers"
  [ "$HTTP_STATUS" = 200 ] || return 1
  TURN_GENERATION="$(header x-goog-generation)"
}

# delete_turn GENERATION
delete_turn() {
  request "$(turn_url)" /dev/null --request DELETE --header "@$RUN/token-$$" --header "x-goog-if-generation-match: $1"
}

header() { tr -d '\r' <"$RUN/turn-headers" | sed -n "s/^$1:[[:space:]]*//Ip" | tail -n 1; }

# turn_of_another NAME: prints whose turn it is. Deletes the object when its owner is this VM, when the owner
# has disappeared, or when its mark is about other metadata. Ends the run when the owner has failed with this
# VM's metadata.
turn_of_another() {
  local state owner revision age
  rm -f "$RUN/turn"
  request "$(turn_url)" "$RUN/turn" --header "@$RUN/token-$$" --dump-header "$RUN/turn-headers"
  [ "$HTTP_STATUS" = 200 ] || return 0
  read -r state owner revision <"$RUN/turn" || true
  # Both times are the server's, so the clocks of VMs do not matter.
  age=$(($(date --date "$(header Date)" +%s) - $(date --date "$(header Last-Modified)" +%s)))
  if [ "$state" = failed ] && [ "$owner" != "$1" ] && [ "$revision" = "$(attribute revision none)" ] && [ "$age" -lt "$TURN_FAILED" ]; then
    fail "not restarted: $owner failed with these settings, and one gateway is enough"
  fi
  if [ "$state" = failed ] || [ "$owner" = "$1" ] || [ "$age" -ge "$TURN_LEASE" ]; then delete_turn "$(header x-goog-generation)"; fi
  printf '%s %s' "$owner" "$state"
}

# Whether the metadata is still what this run has read. No answer counts as unchanged.
unchanged_metadata() {
  request "$METADATA/instance/attributes/?recursive=true" /dev/null --header 'Metadata-Flavor: Google' --dump-header "$RUN/turn-etag"
  [ "$HTTP_STATUS" != 200 ] || [ "$(etag "$RUN/turn-etag")" = "$(cat "$RUN/etag")" ]
}

# leave_turn: the next gateway may restart.
leave_turn() {
  [ -n "$TURN_GENERATION" ] || return 0
  fetch_token
  delete_turn "$TURN_GENERATION"
  rm -f "$RUN/token-$$"
  TURN_GENERATION="" # an object that could not be deleted expires
}

# on_failure: called when the run fails. The gateway that has the turn did not come back.
on_failure() {
  [ -n "$TURN_GENERATION" ] || return 0
  fetch_token
  if [ "$(cat "$REASON")" = "$STOPPED" ]; then
    delete_turn "$TURN_GENERATION" # the VM is being shut down
    return
  fi
  put_turn "$TURN_GENERATION" "failed $(cat "$RUN/instance-name") $(attribute revision none)"
}
