# shellcheck shell=bash disable=SC2034 # the other parts read these variables
# A gateway: the gateway's container and the log shipper.

ROLE=gateway
MAIN=gateway
CONFIG_PREFIX=alloy/
SHIPPER_CONFIG=alloy/gateway.alloy
SHIPPER_LISTEN=0.0.0.0
# Memory for the system, docker and the log shipper. Of 7.8 GiB on an e2-standard-2, 7.1 GiB remain for the
# gateway; this is more than the default of WS_MEMORY_LIMIT, 7 GiB.
RESERVED_MEMORY=$((640 * 1024 * 1024))
STOP_MARGIN=15 # s that the gateway may need beyond its drain time before it is killed
MEMORY_LIMIT=7516192768 # bytes, the gateway's default of WS_MEMORY_LIMIT

role_steps() {
  local drain memory
  need image-gateway
  drain="$(whole_number drain-seconds 60)"
  # The watch applies changes of the metadata while the VM runs.
  [ -z "$(attribute revision "")" ] || install_watch
  step kernel
  set_kernel net.ipv4.tcp_max_syn_backlog=8192 net.core.somaxconn=8192 net.ipv4.tcp_syncookies=1
  raise_file_limit
  step inputs
  install_inputs
  memory=$(($(total_memory) - RESERVED_MEMORY))
  # On a smaller machine the default limit would be too high: the gateway would be killed before it reports
  # that it is full.
  [ -e "$RUN/env/WS_MEMORY_LIMIT" ] || [ "$memory" -ge "$MEMORY_LIMIT" ] || printf '%s' "$memory" >"$RUN/env/WS_MEMORY_LIMIT"
  [ -e "$RUN/env/WS_DRAIN_SECONDS" ] || printf '%s' "$drain" >"$RUN/env/WS_DRAIN_SECONDS"
  step firewall
  open_ports 3004 3002 "$SHIPPER_PORT"
  step docker
  await_docker
  log_in_to_registries
  step pull
  pull "$(image gateway)"
  step start
  rm -f "$RUN/restarting"
  STOP_COMMAND="/bin/bash $RUN/startup.sh stop $((drain + STOP_MARGIN))" container gateway "$(image gateway)" "$memory" $((drain + STOP_MARGIN)) \
    --user 65532:65532 \
    --volume "$RUN/secrets:$RUN/secrets:ro" --volume "$RUN/files:$RUN/files:ro" --
  start_container gateway
  rm -f "$RUN/restarting"
  step live
  await_200 gateway http://127.0.0.1:3002/live
  if [ -n "$TURN_GENERATION" ]; then
    # The next gateway sends its clients away only when this one accepts clients again.
    await_200 gateway http://127.0.0.1:3002/health
    leave_turn
  fi
  step leaving
  install_leaving odin-gateway.service
  step log-shipper
  watched_disks /mnt/stateful_partition
  install_log_shipper
  install_config_sync
}

# Restarts in place: waits for the turn of this gateway, then lets the gateway send its clients away within
# WS_RESTART_SECONDS. The other gateways have room for them. A new VM would take minutes.
before_restart_gateway() {
  local restart=15
  [ ! -e "$RUN/env/WS_RESTART_SECONDS" ] || restart="$(cat "$RUN/env/WS_RESTART_SECONDS")"
  step turn
  take_turn
  step start
  printf '%s' $((restart + STOP_MARGIN)) >"$RUN/restarting"
}

# Command `stop SECONDS`, for the gateway's unit: SIGHUP when the gateway restarts, SIGTERM otherwise. SECONDS
# is the time from SIGTERM to SIGKILL.
command_stop() {
  if [ -e "$RUN/restarting" ]; then
    "$DOCKER" stop --signal HUP -t "$(cat "$RUN/restarting")" odin-gateway
  else
    "$DOCKER" stop -t "$1" odin-gateway
  fi
}

main "$@"
