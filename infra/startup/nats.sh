# shellcheck shell=bash disable=SC2034 # the other parts read these variables
# A VM with one NATS server.

ROLE=nats
MAIN=nats
CONFIG_PREFIX=alloy/
SHIPPER_CONFIG=alloy/nats.alloy
SHIPPER_LISTEN=0.0.0.0
RESERVED_MEMORY=$((640 * 1024 * 1024)) # bytes for the system, docker and the log shipper

role_steps() {
  need image-nats nats-name data-device secret-file-nats-gateway-password secret-file-nats-publisher-password
  step watch
  install_watch
  step inputs
  install_inputs
  step firewall
  open_ports 4222 8222 "$SHIPPER_PORT"
  [ -z "$(attribute nats-peers "")" ] || open_ports 6222
  [ -z "$(attribute nats-domain "")" ] || [ -n "$(attribute nats-home "")" ] || open_ports 7422
  step disk
  mount_data_disk "$(attribute data-device "")"
  data_folder nats "$NATS_UID"
  step docker
  await_docker
  log_in_to_registries
  step pull
  pull "$(image nats)"
  step start
  start_nats "$(image nats)" $(($(total_memory) - RESERVED_MEMORY)) "$DATA/nats"
  step live
  await_nats
  step log-shipper
  watched_disks /mnt/stateful_partition "$DATA"
  install_log_shipper
  install_config_sync
}

main "$@"
