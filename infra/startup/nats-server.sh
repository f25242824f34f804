# shellcheck shell=bash
# A NATS server with JetStream, alone or in a cluster.

NATS_UID=65532
STAGGER="${ODIN_STAGGER:-30}"               # s between the restarts of two servers of a cluster
PEER_SECONDS="${ODIN_PEER_SECONDS:-600}"    # for the other servers to be healthy before this one restarts
ALONE_SECONDS="${ODIN_ALONE_SECONDS:-30}"   # after which a server whose cluster is still being made counts as ready
NATS_HEALTH=http://127.0.0.1:8222/healthz

# start_nats IMAGE MEMORY DATA_FOLDER
start_nats() {
  local image="$1" memory="$2" store="$3"
  NATS_ORDINAL="$(whole_number nats-ordinal 0)"
  install -d -m 0700 -o "$NATS_UID" -g "$NATS_UID" "$RUN/nats"
  nats_config "$store" >"$RUN/nats/nats.new"
  chown "$NATS_UID:$NATS_UID" "$RUN/nats/nats.new"
  mv "$RUN/nats/nats.new" "$RUN/nats/nats.conf"
  FINGERPRINTED+=("$RUN/nats")
  container nats "$image" "$memory" 30 \
    --user "$NATS_UID:$NATS_UID" --env "GOMEMLIMIT=$((memory * 8 / 10))" \
    --volume "$RUN/nats:$RUN/nats:ro" --volume "$RUN/secrets:$RUN/secrets:ro" --volume "$RUN/files:$RUN/files:ro" \
    --volume "$store:$store" \
    -- --config "$RUN/nats/nats.conf"
  start_container nats
}

# nats_config STORE
nats_config() {
  local size
  size="$(df --output=size --block-size=1 "$1" | tail -n 1)"
  cat <<CONF
server_name: "$(attribute nats-name "$ROLE")"
port: 4222
http_port: 8222
max_payload: 1MB
jetstream { store_dir: "$1", max_memory_store: 32MB, max_file_store: $((size * 8 / 10)) }
CONF
  nats_users
  nats_tls ""
  nats_cluster
}

# Gateways read the stream and make it when it is missing; publishers write to it. Neither may do the other's work, nor delete the stream.
# The capacity test has a network of its own and no passwords in it.
nats_users() {
  local gateway publisher
  [ -e "$RUN/secrets/nats-gateway-password" ] || [ "$ROLE" = nats ] || return 0
  gateway="$(password nats-gateway-password)"
  publisher="$(password nats-publisher-password)"
  cat <<CONF
authorization {
  users: [
    { user: gateway, password: "$gateway", permissions: {
      publish: ["\$JS.API.INFO", "\$JS.API.STREAM.INFO.*", "\$JS.API.STREAM.CREATE.*", "\$JS.API.CONSUMER.>", "\$JS.ACK.>"]
      subscribe: ["_INBOX.>"]
    } }
    { user: publisher, password: "$publisher", permissions: {
      publish: ["odin.>", "\$JS.API.INFO", "\$JS.API.STREAM.INFO.*", "\$JS.API.STREAM.CREATE.*"]
      subscribe: ["_INBOX.>"]
    } }
  ]
}
CONF
}

# nats_tls MORE: none without a certificate, as in the capacity test.
nats_tls() {
  [ -e "$RUN/files/nats-server-cert" ] || return 0
  [ -e "$RUN/secrets/nats-server-key" ] || fail "file nats-server-cert is given, but not the secret nats-server-key"
  printf 'tls { cert_file: "%s", key_file: "%s"%s }\n' "$RUN/files/nats-server-cert" "$RUN/secrets/nats-server-key" "$1"
}

nats_cluster() {
  local password peer
  [ -n "$(attribute nats-peers "")" ] || return 0
  password="$(password nats-cluster-password)"
  [ -e "$RUN/files/nats-server-cert" ] || fail "the servers of a cluster need file nats-server-cert"
  printf 'cluster {\n  name: odin\n  port: 6222\n  authorization { user: cluster, password: "%s", timeout: 5 }\n  ' "$password"
  nats_tls ", ca_file: \"$RUN/files/nats-ca\", verify: true, timeout: 5"
  printf '  routes: [\n'
  for peer in $(attribute nats-peers ""); do printf '    "nats-route://cluster:%s@%s"\n' "$password" "$peer"; done
  printf '  ]\n}\n'
}

# password NAME: of letters, digits, - and _ so that it means itself in a URL and in the configuration.
password() {
  local text
  [ -e "$RUN/secrets/$1" ] || fail "secret $1 is missing: metadata attribute odin-secret-file-$1"
  text="$(cat "$RUN/secrets/$1")"
  [[ "$text" =~ ^[A-Za-z0-9_-]+$ ]] || fail "secret $1 is empty or has other characters than letters, digits, - and _"
  printf '%s' "$text"
}

# The addresses of the other servers' monitoring.
other_servers() {
  local peers peer
  read -r -a peers <<<"$(attribute nats-peers "")"
  unset "peers[$NATS_ORDINAL]"
  for peer in "${peers[@]}"; do printf 'http://%s:8222\n' "${peer%:*}"; done
}

# One server after the other, and only while all others are well: with two of three away the stream would stand still.
before_restart_nats() {
  local end others
  others="$(other_servers)"
  [ -n "$others" ] || return 0
  sleep $((NATS_ORDINAL * STAGGER))
  end=$((SECONDS + PEER_SECONDS))
  until all_healthy "$others" && sleep 2 && all_healthy "$others"; do
    [ "$SECONDS" -lt "$end" ] || fail "not restarted: $UNHEALTHY is not healthy ($(http_problem /dev/null)) and the cluster cannot spare two"
    sleep 2
  done
}

all_healthy() {
  local url
  for url in $1; do
    UNHEALTHY="$url"
    request "$url/healthz" /dev/null --max-time 5
    [ "$HTTP_STATUS" = 200 ] || return 1
  done
}

# Healthy is who agrees with the cluster. While that is being made there may be too few servers for it: those that are there are as ready as
# they can be.
await_nats() {
  local begin="$SECONDS"
  until request "$NATS_HEALTH" /dev/null --max-time 3 && [ "$HTTP_STATUS" = 200 ]; do
    if [ $((SECONDS - begin)) -ge "$ALONE_SECONDS" ] && is_alone; then
      log "ready without its cluster: the other servers do not answer yet"
      return
    fi
    [ $((SECONDS - begin)) -lt "$LIVE_SECONDS" ] || await_200 nats "$NATS_HEALTH"
    sleep 1
  done
  [ -z "$(attribute nats-peers "")" ] || : >"$DATA/nats-agreed"
}

# Whether so many other servers are away that this one cannot agree with anybody. Most of them are enough for it, but the first time, when nobody
# has anything to agree on, a leader needs the votes of all.
is_alone() {
  local url total=1 present=1 enough
  for url in $(other_servers); do
    total=$((total + 1))
    request "$url/healthz" /dev/null --max-time 3
    [ "$HTTP_STATUS" = 000 ] || present=$((present + 1))
  done
  enough="$total"
  [ ! -e "$DATA/nats-agreed" ] || enough=$((total / 2 + 1))
  [ "$present" -lt "$enough" ] || return 1
  request "$NATS_HEALTH?js-enabled-only=true" /dev/null --max-time 3
  [ "$HTTP_STATUS" = 200 ]
}
