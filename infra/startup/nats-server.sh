# shellcheck shell=bash
# A NATS server with JetStream, alone or in a cluster.

NATS_UID=65532
STAGGER="${ODIN_STAGGER:-30}"               # s between the restarts of two servers of a cluster
PEER_SECONDS="${ODIN_PEER_SECONDS:-600}"    # s to wait until the other servers are healthy, before a restart
ALONE_SECONDS="${ODIN_ALONE_SECONDS:-30}"   # s after which a server without its cluster counts as ready
NATS_HEALTH=http://127.0.0.1:8222/healthz
HOME_DOMAIN=home                            # JetStream domain of the home region, see infra/machines/nats.ts

# start_nats IMAGE MEMORY DATA_FOLDER: starts the server. MEMORY is in bytes.
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

# nats_config STORE: prints the server's configuration. STORE is the data folder.
nats_config() {
  local size sync=1s domain
  size="$(df --output=size --block-size=1 "$1" | tail -n 1)"
  # A server of a cluster writes many messages with one sync; a single server needs three syncs for each
  # message.
  [ -z "$(attribute nats-peers "")" ] || sync=always
  domain="$(attribute nats-domain "")"
  [[ "$domain" =~ ^[A-Za-z0-9_-]*$ ]] || fail "attribute odin-nats-domain has other characters than letters, digits, - and _"
  [ -z "$domain" ] || domain=", domain: \"$domain\""
  cat <<CONF
server_name: "$(attribute nats-name "$ROLE")"
port: 4222
http_port: 8222
max_payload: 1MB
jetstream { store_dir: "$1", max_memory_store: 32MB, max_file_store: $((size * 8 / 10)), sync_interval: $sync$domain }
CONF
  nats_users
  nats_tls ""
  nats_cluster
  nats_regions
}

# Users. Gateways read the stream and the stream of revocations, create them when they are missing, and write
# the epoch into the metadata of the first. Publishers write to both. Gateways may publish no messages, except
# those to each other, below odin-gateways. Publishers may not read messages, and neither may delete a stream,
# except that gateways create the stream of last values again when it no longer fits the stream. The capacity
# test has its own network and uses no passwords.
nats_users() {
  local gateway mirrors=""
  [ -e "$RUN/secrets/nats-gateway-password" ] || [ "$ROLE" = nats ] || return 0
  gateway="$(password nats-gateway-password)"
  nats_publishers >"$RUN/nats/publishers.new"
  # In a region beside the home region, gateways read the streams at home, write the epoch there, and create
  # the mirrors again.
  [ -z "$(attribute nats-home "")" ] || mirrors="
        \"\$JS.API.STREAM.DELETE.ODIN_TOKENS\", \"\$JS.API.STREAM.DELETE.ODIN_REVOCATIONS\"
        \"\$JS.$HOME_DOMAIN.API.STREAM.INFO.*\", \"\$JS.$HOME_DOMAIN.API.STREAM.UPDATE.*\", \"\$JS.$HOME_DOMAIN.API.CONSUMER.>\""
  cat <<CONF
authorization {
  users: [
    { user: gateway, password: "$gateway", permissions: {
      publish: [
        "\$JS.API.INFO", "\$JS.API.STREAM.INFO.*", "\$JS.API.STREAM.CREATE.*", "\$JS.API.STREAM.UPDATE.*"
        "\$JS.API.CONSUMER.>", "\$JS.ACK.>", "\$JS.API.STREAM.DELETE.ODIN_TOKENS_LAST", "odin-gateways.>"$mirrors
      ]
      subscribe: ["_INBOX.>", "odin-gateways.>"]
    } }
$(cat "$RUN/nats/publishers.new")$(nats_leaf_user)
  ]
}
CONF
  rm -f "$RUN/nats/publishers.new"
}

# Users of publishers. The secret nats-publishers has a line `USER PASSWORD SUBJECT…` for each login. Without
# the secret, one publisher may publish to all subjects.
nats_publishers() {
  local user password subjects line=0
  if [ ! -e "$RUN/secrets/nats-publishers" ]; then
    password="$(password nats-publisher-password)"
    nats_publisher publisher "$password" 'odin.>'
    return
  fi
  while read -r user password subjects; do
    line=$((line + 1))
    # The line itself is a secret, so the reason has only its number.
    [[ "$user" =~ ^[a-z][a-z0-9-]*$ && "$user" != gateway && "$password" =~ ^[A-Za-z0-9_-]{16,}$ &&
      "$subjects" =~ ^odin\.[A-Za-z0-9_.*\>-]+(\ odin\.[A-Za-z0-9_.*\>-]+)*$ ]] ||
      fail "secret nats-publishers: line $line is not 'USER PASSWORD SUBJECT…' with subjects that begin with odin."
    nats_publisher "$user" "$password" "$subjects"
  done <"$RUN/secrets/nats-publishers"
  [ "$line" -gt 0 ] || fail "secret nats-publishers is empty"
}

# nats_publisher USER PASSWORD SUBJECTS: prints the user of a publisher. SUBJECTS are separated by spaces. A
# publisher may create the stream, because it may start before the first gateway. The stream is in the home
# region.
nats_publisher() {
  local subject quoted="" api=JS.API
  [ -z "$(attribute nats-home "")" ] || api="JS.$HOME_DOMAIN.API"
  set -f # subjects contain *
  for subject in $3; do quoted+="\"$subject\", "; done
  set +f
  cat <<CONF
    { user: "$1", password: "$2", permissions: {
      publish: [$quoted"\$$api.INFO", "\$$api.STREAM.INFO.*", "\$$api.STREAM.CREATE.*"]
      subscribe: ["_INBOX.>"]
    } }
CONF
}

# nats_tls MORE: TLS settings, with MORE added to them. Prints nothing when there is no certificate, as in the
# capacity test.
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
  printf '  ]\n'
  # Behind a load balancer, clients cannot reach the addresses that servers announce. All clients know all
  # addresses from NATS_URL.
  [ "$(attribute nats-advertise true)" = true ] || printf '  no_advertise: true\n'
  printf '}\n'
}

# The home region's servers accept servers of other regions as leaf nodes, and such a server joins them. Pings
# let both sides notice within 15 s that the line is cut; otherwise this takes minutes.
nats_regions() {
  local address password urls=""
  [ -n "$(attribute nats-domain "")" ] || return 0
  printf 'ping_interval: "5s"\nping_max: 2\n'
  [ -e "$RUN/files/nats-server-cert" ] || fail "servers of several regions need file nats-server-cert"
  if [ -z "$(attribute nats-home "")" ]; then
    printf 'leafnodes {\n  port: 7422\n  '
    nats_tls ", timeout: 5"
    printf '}\n'
    return
  fi
  password="$(password nats-leaf-password)"
  for address in $(attribute nats-home ""); do urls+="\"tls://leaf:$password@$address\", "; done
  printf 'leafnodes {\n  reconnect: "2s"\n  remotes: [ { urls: [ %s ], tls { ca_file: "%s", timeout: 5 } } ]\n}\n' \
    "${urls%, }" "$RUN/files/nats-ca"
}

# The user with which servers of other regions join. It may do what their gateways, publishers and mirrors
# need, and no client can use it.
nats_leaf_user() {
  local password
  [ -n "$(attribute nats-domain "")" ] && [ -z "$(attribute nats-home "")" ] || return 0
  password="$(password nats-leaf-password)"
  cat <<CONF

    { user: leaf, password: "$password", allowed_connection_types: ["LEAFNODE"], permissions: {
      publish: [
        "odin.>", "odin-gateways.>", "_INBOX.>", "\$JS.ACK.>", "\$JS.FC.>"
        "\$JS.API.INFO", "\$JS.API.STREAM.INFO.*", "\$JS.API.STREAM.CREATE.*", "\$JS.API.STREAM.UPDATE.*", "\$JS.API.CONSUMER.>"
        "\$JS.$HOME_DOMAIN.API.INFO", "\$JS.$HOME_DOMAIN.API.STREAM.INFO.*", "\$JS.$HOME_DOMAIN.API.STREAM.CREATE.*"
        "\$JS.$HOME_DOMAIN.API.STREAM.UPDATE.*", "\$JS.$HOME_DOMAIN.API.CONSUMER.>"
      ]
      subscribe: ["_INBOX.>", "odin-gateways.>", "\$JSC.R.>", "\$JS.M.>"]
    } }
CONF
}

# password NAME: prints the secret NAME. Only letters, digits, - and _ are allowed, because a URL and the
# configuration contain the password without escaping.
password() {
  local text
  [ -e "$RUN/secrets/$1" ] || fail "secret $1 is missing: metadata attribute odin-secret-file-$1"
  text="$(cat "$RUN/secrets/$1")"
  [[ "$text" =~ ^[A-Za-z0-9_-]+$ ]] || fail "secret $1 is empty or has other characters than letters, digits, - and _"
  printf '%s' "$text"
}

# The monitoring URLs of the other servers.
other_servers() {
  local peers peer
  read -r -a peers <<<"$(attribute nats-peers "")"
  unset "peers[$NATS_ORDINAL]"
  for peer in "${peers[@]}"; do printf 'http://%s:8222\n' "${peer%:*}"; done
}

# Waits before a restart, so that the servers restart one after the other, and only while all others are
# healthy: with two of three servers down, the stream would stop.
before_restart_nats() {
  local end others
  others="$(other_servers)"
  [ -n "$others" ] || return 0
  sleep $((NATS_ORDINAL * STAGGER))
  end=$((SECONDS + PEER_SECONDS))
  until all_healthy "$others" && sleep 2 && all_healthy "$others"; do
    [ "$SECONDS" -lt "$end" ] || fail "not restarted: $UNHEALTHY is not healthy ($(http_problem /dev/null)), and the cluster cannot lose two servers"
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

# Waits until the server is healthy, which means that it agrees with its cluster. While a new cluster is being
# created, there may be too few servers to agree. A server then counts as ready after $ALONE_SECONDS.
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

# Whether too few other servers are up to form a cluster, while this server itself works. A cluster needs a
# majority of its servers. Only the first time does it need all servers, because the first leader needs the
# votes of all.
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
