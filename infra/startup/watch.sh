# shellcheck shell=bash
# Applies changes of the metadata to a single VM while it runs: a unit waits for a change and runs the script
# again.

WATCH_SECONDS="${ODIN_WATCH_SECONDS:-300}" # s for one request, and s from a failed start to the next start

install_watch() {
  write_file "$UNITS/odin-apply.service" <<UNIT
[Unit]
Description=odin-ws start-up, again
[Service]
Type=oneshot
ExecStart=/bin/bash $RUN/startup.sh
TimeoutStartSec=1800
UNIT
  write_file "$UNITS/odin-watch.service" <<UNIT
[Unit]
Description=odin-ws watch over the metadata
After=network-online.target
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/bash $RUN/startup.sh watch
Restart=always
RestartSec=5
UNIT
  systemctl daemon-reload
  systemctl start odin-watch.service
}

# The unit odin-apply runs the script, so that the run continues when this unit ends. A change may bring
# another version of the script, so this command ends with a new process of the script.
command_watch() {
  local before now
  before="$(cat "$RUN/etag")"
  while :; do
    request "$METADATA/instance/attributes/?recursive=true&wait_for_change=true&timeout_sec=$WATCH_SECONDS&last_etag=$before" /dev/null \
      --header 'Metadata-Flavor: Google' --dump-header "$RUN/watch-headers" --max-time $((WATCH_SECONDS + 30))
    if [ "$HTTP_STATUS" != 200 ]; then
      sleep 5
      continue
    fi
    now="$(etag "$RUN/watch-headers")"
    if [ "$now" != "$before" ] || [ -e "$RUN/failed" ]; then break; fi
  done
  log "metadata changed, or the last start failed: starting again"
  if from_metadata instance/attributes/startup-script "$RUN/startup.next"; then mv "$RUN/startup.next" "$RUN/startup.sh"; fi
  systemctl start odin-apply.service || sleep "$PAUSE"
  exec /bin/bash "$RUN/startup.sh" watch
}
