# shellcheck shell=bash disable=SC2034 # the other parts read these variables
# The VM with Prometheus, Alertmanager, Loki and Grafana.

ROLE=monitoring
MAIN=grafana
SHIPPER_CONFIG=alloy/monitoring.alloy

role_steps() {
  need data-device config-bucket
  step watch
  install_watch
  step inputs
  install_inputs
  step firewall
  open_ports 3010 9090 9093 3100
  step disk
  mount_data_disk "$(attribute data-device "")"
  step config
  sync_now
  step docker
  await_docker
  log_in_to_registries
  step pull
  pull_stack
  step start
  start_stack "$DATA"
  step live
  await_stack
  step timers
  install_heartbeat
  watched_disks /mnt/stateful_partition "$DATA"
  probed_servers
  install_log_shipper
  install_config_sync
}

main "$@"
