# shellcheck shell=bash
# Stops the gateway in time when its instance group removes this VM. The group does not notify the VM: the
# load balancer continues to forward for its draining timeout and then forgets the connections, and only after
# that does the VM get its shutdown signal. By then, a client's answer to a close frame would reach another
# gateway. So the VM asks its group every few seconds whether it is being removed, and stops the gateway while
# clients can still be reached.

COMPUTE="${ODIN_COMPUTE_URL:-https://compute.googleapis.com}"
LEAVING_SECONDS="${ODIN_LEAVING_SECONDS:-15}" # s between two requests; draining.ts allows 60 s to notice

# install_leaving UNIT: from now on, stops UNIT when the group removes this VM. Does nothing on a VM without a
# group.
install_leaving() {
  if ! from_metadata instance/attributes/created-by "$RUN/created-by"; then
    [ "$HTTP_STATUS" = 404 ] || fail "no created-by from the metadata server ($(http_problem /dev/null))"
    return 0
  fi
  [[ "$(cat "$RUN/created-by")" =~ ^projects/[^/]+/(regions|zones)/[^/]+/instanceGroupManagers/[^/]+$ ]] || return 0
  from_metadata instance/name "$RUN/instance-name" || fail "no instance name from the metadata server ($(http_problem /dev/null))"
  write_file "$UNITS/odin-leaving.service" <<UNIT
[Unit]
Description=odin-ws drain in time when the group takes this VM away
After=network-online.target
StartLimitIntervalSec=0
[Service]
Environment=ODIN_ATTEMPTS=2 ODIN_PAUSE=$PAUSE ODIN_COMPUTE_URL=$COMPUTE ODIN_METADATA_URL=${METADATA%/computeMetadata/v1} ODIN_LEAVING_SECONDS=$LEAVING_SECONDS
ExecStart=/bin/bash $RUN/startup.sh leaving $1
Restart=on-failure
RestartSec=10
UNIT
  systemctl daemon-reload
  systemctl start odin-leaving.service
}

# Ends when the group removes this VM. Errors are only logged: they are no reason to stop the gateway.
command_leaving() {
  local unit="$1" group name action problem before=""
  group="$(cat "$RUN/created-by")"
  name="$(cat "$RUN/instance-name")"
  while :; do
    problem=""
    action="$(action_of "$group" "$name")" || problem="$(one_line "$(cat "$RUN/leaving-reason")")"
    case "$action" in
    DELETING | RECREATING | ABANDONING)
      log "${group##*/} is $action $name: stopping $unit"
      systemctl stop "$unit"
      return
      ;;
    esac
    # A problem is logged only when it changes, because a line every few seconds would fill the journal.
    if [ "$problem" != "$before" ]; then log "${group##*/}: ${problem:-answers again}"; fi
    before="$problem"
    sleep "$LEAVING_SECONDS"
  done
}

# action_of GROUP NAME: prints the group's current action on the VM, normally NONE.
action_of() (
  REASON="$RUN/leaving-reason"
  trap 'rm -f "$RUN/token-$$"' EXIT
  : >"$REASON"
  fetch_token
  fetch "$COMPUTE/compute/v1/$1/listManagedInstances?fields=managedInstances(instance,currentAction)" "$RUN/leaving-answer" \
    --globoff --header "@$RUN/token-$$" --request POST --data '' ||
    fail "no list of its VMs: $(http_problem "$RUN/leaving-answer"); the VM's service account needs roles/compute.viewer"
  # Puts each VM on a line of its own. The order of the fields may vary.
  tr -d ' \n' <"$RUN/leaving-answer" | sed 's/}/}\n/g' | grep --fixed-strings "/instances/$2\"" |
    sed -n 's/.*"currentAction":"\([A-Z_]*\)".*/\1/p' || true
)
