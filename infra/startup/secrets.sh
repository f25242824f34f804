# shellcheck shell=bash
# Environment, secrets and files of the containers, from metadata and Secret Manager. Values go from file to
# file: a value is never an argument of a command, because every user of the machine can read arguments.

SECRETS="${ODIN_SECRETS_URL:-https://secretmanager.googleapis.com}"

# Writes the header with the access token of the VM's service account to $RUN/token-$$.
fetch_token() {
  local answer="$RUN/token-$$.json"
  from_metadata instance/service-accounts/default/token "$answer" ||
    fail "no access token from the metadata server ($(http_problem /dev/null)): does the VM have a service account?"
  printf 'Authorization: Bearer %s\n' "$(json_text access_token "$answer")" >"$RUN/token-$$"
  rm -f "$answer"
}

# json_text NAME FILE: prints the text value of a field. The text must not contain escapes.
json_text() { tr -d '\n' <"$2" | sed -n 's/.*"'"$1"'"[[:space:]]*:[[:space:]]*"\([^"\\]*\)".*/\1/p'; }

# Fills $RUN/env (one file per variable), $RUN/secrets and $RUN/files.
install_inputs() {
  local attribute name
  rm -rf "$RUN/env.new"
  mkdir "$RUN/env.new"
  for attribute in "$RUN"/attributes/odin-env-*; do
    name="${attribute##*/odin-env-}"
    check_variable "$name"
    cp "$attribute" "$RUN/env.new/$name"
  done
  for attribute in "$RUN"/attributes/odin-file-*; do
    install -m 0644 "$attribute" "$RUN/files/${attribute##*/odin-file-}"
  done
  step secrets
  set -- "$RUN"/attributes/odin-secret-*
  [ $# -eq 0 ] || fetch_token
  for attribute in "$@"; do
    case "${attribute##*/}" in
    odin-secret-env-*)
      name="${attribute##*/odin-secret-env-}"
      check_variable "$name"
      fetch_secret "$attribute" "$RUN/env.new/$name"
      ;;
    odin-secret-file-*)
      name="${attribute##*/odin-secret-file-}"
      fetch_secret "$attribute" "$RUN/secret.new"
      chown "$(secret_owner "$name")" "$RUN/secret.new"
      mv "$RUN/secret.new" "$RUN/secrets/$name" # atomic, because a container may be reading the old file
      ;;
    *) fail "metadata attribute ${attribute##*/} must begin with odin-secret-env- or odin-secret-file-" ;;
    esac
  done
  rm -rf "$RUN/env" "$RUN/token-$$"
  mv "$RUN/env.new" "$RUN/env"
  remove_stale secrets odin-secret-file-
  remove_stale files odin-file-
}

# check_variable NAME: ends the run for names that are not valid, and for variables that would change how the
# docker command itself works, because they are in its environment.
check_variable() {
  [[ "$1" =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || fail "'$1' cannot be the name of an environment variable"
  [[ ! "$1" =~ ^(PATH|HOME|IFS|BASH.*|LD_.*|DOCKER_.*)$ ]] || fail "the environment variable $1 cannot be set"
}

# secret_owner NAME: the user id of the container that reads the secret.
secret_owner() {
  case "$1" in
  grafana-*) echo 472 ;;
  alertmanager-* | prometheus-*) echo 65534 ;;
  *) echo 65532 ;;
  esac
}

# fetch_secret ATTRIBUTE FILE: writes the payload of the version that the attribute names to FILE, byte for
# byte.
fetch_secret() {
  local version answer="$RUN/secret-answer"
  version="$(cat "$1")"
  [[ "$version" =~ ^projects/[^/]+/secrets/[^/]+/versions/[^/]+$ ]] ||
    fail "metadata attribute ${1##*/} must be projects/…/secrets/…/versions/…, not '$version'"
  if ! fetch "$SECRETS/v1/$version:access" "$answer" --header "@$RUN/token-$$"; then
    case "$HTTP_STATUS" in
    403) fail "$version: $(http_problem "$answer"); the VM's service account needs roles/secretmanager.secretAccessor on the secret" ;;
    404) fail "$version: there is no such version ($(http_problem "$answer"))" ;;
    *) fail "$version: $(http_problem "$answer") from $SECRETS after $ATTEMPTS attempts" ;;
    esac
  fi
  json_text data "$answer" >"$answer.base64"
  [ -s "$answer.base64" ] || fail "$version: has no payload"
  base64 --decode "$answer.base64" >"$2" || fail "$version: its payload is not base64"
  rm -f "$answer" "$answer.base64"
}

# remove_stale FOLDER PREFIX: removes files that no attribute names any more.
remove_stale() {
  local file
  for file in "$RUN/$1"/*; do
    [ -e "$RUN/attributes/$2${file##*/}" ] || rm -f "$file"
  done
}
