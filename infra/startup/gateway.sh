# shellcheck shell=bash disable=SC2034 # the other parts read these variables
# A gateway: one container, and the log shipper beside it.

ROLE=gateway
MAIN=gateway
CONFIG_PREFIX=alloy/
SHIPPER_CONFIG=alloy/gateway.alloy
# Left to the system, docker and the log shipper: of 7.8 GiB 7.1 remain, above the 7 that WS_MEMORY_LIMIT has by default.
RESERVED_MEMORY=$((640 * 1024 * 1024))
STOP_MARGIN=15 # s that a drain may take longer than it should
MEMORY_LIMIT=7516192768 # bytes, the gateway's own default of WS_MEMORY_LIMIT

role_steps() {
  local drain memory
  need image-gateway
  drain="$(whole_number drain-seconds 60)"
  # A VM of a group gets other metadata as another VM. One that stands alone has a revision, and changes in place.
  [ -z "$(attribute revision "")" ] || install_watch
  step kernel
  set_kernel net.ipv4.tcp_max_syn_backlog=8192 net.core.somaxconn=8192 net.ipv4.tcp_syncookies=1
  raise_file_limit
  step inputs
  install_inputs
  memory=$(($(total_memory) - RESERVED_MEMORY))
  # On a smaller machine the gateway would be killed before it felt full.
  [ -e "$RUN/env/WS_MEMORY_LIMIT" ] || [ "$memory" -ge "$MEMORY_LIMIT" ] || printf '%s' "$memory" >"$RUN/env/WS_MEMORY_LIMIT"
  [ -e "$RUN/env/WS_DRAIN_SECONDS" ] || printf '%s' "$drain" >"$RUN/env/WS_DRAIN_SECONDS"
  step firewall
  open_ports 3004 3002
  step docker
  await_docker
  log_in_to_registries
  step pull
  pull "$(image gateway)"
  step start
  container gateway "$(image gateway)" "$memory" $((drain + STOP_MARGIN)) \
    --user 65532:65532 \
    --volume "$RUN/secrets:$RUN/secrets:ro" --volume "$RUN/files:$RUN/files:ro" --
  start_container gateway
  step live
  await_200 gateway http://127.0.0.1:3002/live
  step leaving
  install_leaving odin-gateway.service
  step log-shipper
  install_log_shipper
  install_config_sync
}

main "$@"
