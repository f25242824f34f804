# shellcheck shell=bash disable=SC2034 # the other parts read these variables
# A VM with one NATS server.

ROLE=nats
MAIN=nats
RESERVED_MEMORY=$((384 * 1024 * 1024)) # bytes for the system and docker

role_steps() {
  need image-nats nats-name data-device secret-file-nats-gateway-password secret-file-nats-publisher-password
  step watch
  install_watch
  step inputs
  install_inputs
  step firewall
  open_ports 4222 8222
  [ -z "$(attribute nats-peers "")" ] || open_ports 6222
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
}

main "$@"
