#!/usr/bin/env bash
# Copies an image with its digest to the registry that a stack pulls from, and prints the image's name there.
#   tools/github/promote-image.sh [--dry-run] REGISTRY/IMAGE@sha256:DIGEST STACK
# The registry is taken from the image that the stack runs now, so the stack must have been deployed before.
# --dry-run copies nothing. Needs pulumi, logged in to the stack's state. The copy also needs Go and a login
# to both registries (docker login).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

die() {
  echo "promote-image: $*" >&2
  exit 1
}

# The version is pinned by tools/modules/crane, like the versions of other programs in tools/modules.
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
[[ "$source" =~ ^[^@[:space:]]+@sha256:[0-9a-f]{64}$ ]] || die "'$source' is not an image with a digest (REGISTRY/IMAGE@sha256:…)"
digest="${source##*@}"

running="$(pulumi stack output image --stack "$stack")" ||
  die "stack $stack has no output 'image': deploy it once by hand (pulumi up --stack $stack)"
[[ "$running" == *@sha256:* ]] || die "stack $stack runs '$running', which is not an image with a digest"
target="${running%@*}"

if [ "$dry" = no ] && [ "$target" != "${source%@*}" ]; then
  # The tag is for people; machines use the digest.
  tag="promoted-${digest:7:12}"
  crane copy "$source" "$target:$tag" >&2
  copied="$(crane digest "$target:$tag")"
  [ "$copied" = "$digest" ] || die "$target:$tag has the digest $copied, expected $digest"
fi
echo "$target@$digest"
