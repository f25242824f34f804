#!/usr/bin/env bash
# Previews a stack without a cloud, and shows the differences from another checkout of this repository.
#   tools/github/preview-offline.sh STACK [BASE]
# BASE is the folder of the other checkout. Its program runs too; when it fails, the script says so and
# continues.
set -euo pipefail

die() {
  echo "preview-offline: $*" >&2
  exit 1
}

case $# in 1 | 2) ;; *) die "usage: preview-offline.sh STACK [BASE]" ;; esac
stack="$1" base="${2:-}"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

# preview NAME FOLDER: runs the preview of the checkout in FOLDER and writes NAME.txt and NAME.json.
preview() (
  cd "$2" &&
    npm ci --silent --no-audit --no-fund >&2 &&
    npm run --silent preview -- --stack "$stack" --out "$scratch/$1.out" --json "$scratch/$1.json" >"$scratch/$1.txt"
)

preview head . || {
  cat "$scratch/head.txt"
  die "the program of $stack fails: see the error above"
}
if [ -n "$base" ]; then
  echo "Different from the base branch:"
  if ! preview base "$base"; then
    echo "  the program of the base branch fails, or has no such stack: nothing to compare with"
  elif diff --unified=4 --label base --label head "$scratch/base.json" "$scratch/head.json" >"$scratch/diff"; then
    echo "  nothing"
  else
    echo "  $(grep -c '^[-+][^-+]' "$scratch/diff") lines"
    sed 's/^/  /' "$scratch/diff"
  fi
  echo
fi
# Leaves out the lines with the paths of written files, because these files are removed.
grep -vE '^(diagram|JSON): ' "$scratch/head.txt"
