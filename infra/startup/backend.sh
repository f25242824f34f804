# shellcheck shell=bash disable=SC2034 # the other parts read these variables
# The VM that runs everything a capacity test needs besides the gateway and the clients: NATS, the publisher
# and monitoring. The data of this VM need not last.

ROLE=backend
MAIN=publisher
SHIPPER_CONFIG=alloy/backend.alloy
NATS_SHARE=10 # percent of the machine's memory
PUBLISHER_SHARE=12
PROMETHEUS_SHARE=22
LOKI_SHARE=15
GRAFANA_SHARE=13

role_steps() {
  local folder="$STATE/data" device
  need image-nats image-publisher
  step watch
  install_watch
  step inputs
  install_inputs
  [ -e "$RUN/env/NATS_URL" ] || printf 'nats://127.0.0.1:4222' >"$RUN/env/NATS_URL"
  step firewall
  open_ports 4222 8222 3003 3010 9090 9093 3100
  step disk
  device="$(attribute data-device "")"
  if [ -n "$device" ]; then
    mount_data_disk "$device"
    folder="$DATA"
  fi
  install -d -m 0755 "$folder"
  install -d -m 0700 -o "$NATS_UID" -g "$NATS_UID" "$folder/nats"
  step config
  [ -z "$(attribute config-bucket "")" ] || sync_now
  step docker
  await_docker
  log_in_to_registries
  step pull
  pull "$(image nats)" "$(image publisher)"
  pull_stack
  step start
  start_nats "$(image nats)" "$(share "$NATS_SHARE")" "$folder/nats"
  await_nats
  container publisher "$(image publisher)" "$(share "$PUBLISHER_SHARE")" 15 \
    --user 65532:65532 --volume "$RUN/secrets:$RUN/secrets:ro" --volume "$RUN/files:$RUN/files:ro" --
  start_container publisher
  start_stack "$folder"
  step live
  await_stack
  step log-shipper
  watched_disks /mnt/stateful_partition "$folder"
  install_log_shipper
  install_config_sync
}

share() { echo $(($(total_memory) * $1 / 100)); }

main "$@"
