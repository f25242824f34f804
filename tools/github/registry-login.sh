#!/usr/bin/env bash
# Logs Docker in to the image registries of stacks. The host name contains the region in the stack's
# configuration.
#   ACCESS_TOKEN=… tools/github/registry-login.sh Pulumi.STACK.yaml…
set -euo pipefail

die() {
  echo "registry-login: $*" >&2
  exit 1
}

[ $# -gt 0 ] || die "usage: ACCESS_TOKEN=… registry-login.sh Pulumi.STACK.yaml…"
[ -n "${ACCESS_TOKEN:-}" ] || die "ACCESS_TOKEN is not set"
done=" "
for file in "$@"; do
  region="$(sed -n 's/^ *gcp:region: *"\{0,1\}\([a-z0-9-]*\)"\{0,1\} *$/\1/p' "$file")"
  [ -n "$region" ] || die "$file has no gcp:region"
  host="$region-docker.pkg.dev"
  case "$done" in *" $host "*) continue ;; esac
  # The token goes through stdin, because every process of the machine can read arguments.
  printf '%s' "$ACCESS_TOKEN" | docker login --username oauth2accesstoken --password-stdin "https://$host"
  done="$done$host "
done
