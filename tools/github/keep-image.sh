#!/usr/bin/env bash
# Lets a checkout run the image that a stack runs: which one that is was decided by a deployment, not by the
# configuration in git.
#   tools/github/keep-image.sh STACK
# Sets serverImage in Pulumi.STACK.yaml to the stack's output `image`. Not where the stack builds the image
# itself (its state has the resource, as after a `pulumi up` by hand), where the program's own answer is the
# right one, and not where nothing was deployed yet. Needs pulumi, logged in to the stack's state; changes
# nothing but that file.
set -euo pipefail

die() {
  echo "keep-image: $*" >&2
  exit 1
}

[ $# -eq 1 ] || die "usage: keep-image.sh STACK"
stack="$1"
resources="$(pulumi stack --show-urns --stack "$stack")" || die "cannot read the stack $stack: see above"
if grep -q 'docker:index/image:Image::gateway-image' <<<"$resources"; then
  echo "keep-image: $stack builds its image itself"
elif ! image="$(pulumi stack output image --stack "$stack" 2>/dev/null)"; then
  echo "keep-image: $stack runs no image yet"
else
  [[ "$image" =~ @sha256:[0-9a-f]{64}$ ]] || die "stack $stack runs '$image', which is no image by digest"
  pulumi config set serverImage "$image" --stack "$stack"
  echo "keep-image: $stack runs $image"
fi
