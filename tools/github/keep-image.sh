#!/usr/bin/env bash
# Makes a checkout use the image that a stack runs now. The last deployment chose that image; the
# configuration in git does not contain it.
#   tools/github/keep-image.sh STACK
# Sets serverImage in Pulumi.STACK.yaml to the stack's output `image`. Changes nothing when the stack builds
# its image itself (its state has the image's component, for example after a `pulumi up` by hand), because
# then the program finds the right image, and nothing when the stack has not been deployed yet. Needs pulumi,
# logged in to the stack's state. Changes no other file.
set -euo pipefail

die() {
  echo "keep-image: $*" >&2
  exit 1
}

[ $# -eq 1 ] || die "usage: keep-image.sh STACK"
stack="$1"
resources="$(pulumi stack --show-urns --stack "$stack")" || die "cannot read the stack $stack: see the error above"
if grep -q 'odin-ws:index:ContainerImage::gateway-image' <<<"$resources"; then
  echo "keep-image: $stack builds its image itself"
elif ! image="$(pulumi stack output image --stack "$stack" 2>/dev/null)"; then
  echo "keep-image: $stack runs no image yet"
else
  [[ "$image" =~ @sha256:[0-9a-f]{64}$ ]] || die "stack $stack runs '$image', which is not an image with a digest"
  pulumi config set serverImage "$image" --stack "$stack"
  echo "keep-image: $stack runs $image"
fi
