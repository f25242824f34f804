# shellcheck shell=bash
# A change of the metadata reaches a single VM while it runs: this waits for it and starts again.

WATCH_SECONDS="${ODIN_WATCH_SECONDS:-300}" # for one question, and from a failed start to the next

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

# A unit of its own does it: this one's end would end it too. After each change the script may be another one, so it begins anew.
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
