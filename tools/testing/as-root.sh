#!/usr/bin/env bash
# Runs a command as root in the current folder. Some tests make namespaces or start a Docker daemon, and only
# root may do this.
#   tools/testing/as-root.sh COMMAND…
# The command gets this user's PATH and CI. It gets the home folder of root, so that no file of root stays in
# this user's home folder. Afterwards, this user owns every file of the current folder again.
set -euo pipefail

[ $# -gt 0 ] || {
  echo "usage: as-root.sh COMMAND…" >&2
  exit 2
}
[ "$(id -u)" -ne 0 ] || exec "$@"

owner="$(id -u):$(id -g)"
trap 'sudo chown --recursive --no-dereference --from=0 "$owner" .' EXIT
sudo --set-home env "PATH=$PATH" "CI=${CI:-}" "$@"
