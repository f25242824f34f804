# shellcheck shell=bash disable=SC2034 # the other parts read these variables
# The machine that simulates the clients of a capacity test.

ROLE=runner
MAIN=loadtest
# This folder is in memory and is created again on each boot. Folders that survive a reboot and allow programs
# to run belong to other software.
BIN=/mnt/disks/odin/bin
RESULTS="$STATE/results"

role_steps() {
  step watch
  install_watch
  step kernel
  modprobe nf_conntrack 2>/dev/null || true # may fail: the module is built in, or docker's own rules load it
  # For 40,000 connections to one address and port: enough local ports, and ports of an earlier test are
  # reused soon.
  set_kernel 'net.ipv4.ip_local_port_range=1024 65535' net.ipv4.tcp_tw_reuse=1 net.ipv4.tcp_fin_timeout=15
  set_kernel net.netfilter.nf_conntrack_max=200000
  raise_file_limit
  step inputs
  install_inputs
  if [ -n "$(image loadtest)" ]; then
    step docker
    await_docker
    log_in_to_registries
    step pull
    pull "$(image loadtest)"
    step command
    install_command
  fi
}

# Installs the command `sudo /mnt/disks/odin/bin/odin-loadtest ARGUMENT…`, which is on PATH in a login shell.
# Reports in the container's /results stay on the boot disk.
install_command() {
  local environment=() file
  for file in "$RUN"/env/*; do environment+=(--env "${file##*/}"); done
  install -d -m 0755 "$BIN" /etc/profile.d
  install -d -m 0755 -o 65532 -g 65532 "$RESULTS"
  set -- --rm --init --network host --pull never --read-only --cap-drop ALL --security-opt no-new-privileges \
    --user 65532:65532 --ulimit "nofile=$NOFILE:$NOFILE" --tmpfs /tmp \
    --volume "$RUN/secrets:$RUN/secrets:ro" --volume "$RUN/files:$RUN/files:ro" --volume "$RESULTS:/results" \
    "${environment[@]}" "$(image loadtest)"
  write_file "$BIN/odin-loadtest" <<SCRIPT
#!/bin/bash
# Runs the load test. Written by the start-up script.
set -euo pipefail
$EXPORTS
terminal=()
if [ -t 0 ] && [ -t 1 ]; then terminal=(--interactive --tty); fi # for a progress bar instead of lines
exec$(printf ' %q' "$DOCKER") run "\${terminal[@]}"$(printf ' %q' "$@") "\$@"
SCRIPT
  chmod 0755 "$BIN/odin-loadtest"
  # shellcheck disable=SC2016 # the login shell expands the variable
  printf 'PATH="$PATH:%s"\n' "$BIN" | write_file /etc/profile.d/odin.sh
}

main "$@"
