#!/usr/bin/env bash
# Copies an image, digest and all, to the registry that a stack pulls from, and prints what it is called
# there.
#   tools/github/promote-image.sh [--dry-run] REGISTRY/IMAGE@sha256:DIGEST STACK
# The registry is that of the image which the stack runs now, so the stack must have been deployed before.
# --dry-run copies nothing. Needs pulumi, logged in to the stack's state, and for the copy Go and a login to
# both registries (docker login).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

die() {
  echo "promote-image: $*" >&2
  exit 1
}

# Pinned by tools/modules/crane, as the programs of the tests are.
crane() {
  GOFLAGS=-mod=readonly GOWORK=off go run -C "$here/../modules/crane" github.com/google/go-containerregistry/cmd/crane "$@"
}

dry=no
if [ "${1:-}" = --dry-run ]; then
  dry=yes
  shift
fi
[ $# -eq 2 ] || die "usage: promote-image.sh [--dry-run] REGISTRY/IMAGE@sha256:DIGEST STACK"
source="$1" stack="$2"
[[ "$source" =~ ^[^@[:space:]]+@sha256:[0-9a-f]{64}$ ]] || die "'$source' is no image by digest (REGISTRY/IMAGE@sha256:…)"
digest="${source##*@}"

running="$(pulumi stack output image --stack "$stack")" ||
  die "stack $stack has no output 'image': deploy it once by hand (pulumi up --stack $stack)"
[[ "$running" == *@sha256:* ]] || die "stack $stack runs '$running', which is no image by digest"
target="${running%@*}"

if [ "$dry" = no ] && [ "$target" != "${source%@*}" ]; then
  # The name for people; machines use the digest.
  tag="promoted-${digest:7:12}"
  crane copy "$source" "$target:$tag" >&2
  copied="$(crane digest "$target:$tag")"
  [ "$copied" = "$digest" ] || die "$target:$tag has the digest $copied, and should have $digest"
fi
echo "$target@$digest"
