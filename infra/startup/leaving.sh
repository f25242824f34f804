# shellcheck shell=bash
# A group tells a VM nothing when it takes it away: the load balancer goes on forwarding for its draining time, then forgets the connections,
# and only then comes the power button, when a close frame's answer would reach another gateway. So the VM asks its group what becomes of
# it, and stops what serves while the clients still hear it.

COMPUTE="${ODIN_COMPUTE_URL:-https://compute.googleapis.com}"
LEAVING_SECONDS="${ODIN_LEAVING_SECONDS:-15}" # from one question to the next; the draining time has 60 s for it

# install_leaving UNIT: what is stopped. A VM that belongs to no group has nobody to ask.
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

# Ends when the VM leaves. Whatever cannot be read is no reason to leave.
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
    # Once each time it changes: a question every few seconds would fill the journal.
    if [ "$problem" != "$before" ]; then log "${group##*/}: ${problem:-answers again}"; fi
    before="$problem"
    sleep "$LEAVING_SECONDS"
  done
}

# action_of GROUP NAME: what the group does with the VM, NONE as a rule.
action_of() (
  REASON="$RUN/leaving-reason"
  trap 'rm -f "$RUN/token-$$"' EXIT
  : >"$REASON"
  fetch_token
  fetch "$COMPUTE/compute/v1/$1/listManagedInstances?fields=managedInstances(instance,currentAction)" "$RUN/leaving-answer" \
    --globoff --header "@$RUN/token-$$" --request POST --data '' ||
    fail "no list of its VMs: $(http_problem "$RUN/leaving-answer"); the VM's service account needs roles/compute.viewer"
  # One VM a line; the order of the fields is not promised.
  tr -d ' \n' <"$RUN/leaving-answer" | sed 's/}/}\n/g' | grep --fixed-strings "/instances/$2\"" |
    sed -n 's/.*"currentAction":"\([A-Z_]*\)".*/\1/p' || true
)
