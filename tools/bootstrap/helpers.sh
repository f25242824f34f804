# shellcheck shell=bash disable=SC2154
# How bootstrap.sh speaks and runs commands. Its variables: dry (yes or no) and project.

die() {
  echo "bootstrap: $*" >&2
  exit 1
}

say() { echo "== $*"; }
email() { echo "$1@$project.iam.gserviceaccount.com"; }

# shown COMMAND…: as it could be typed.
shown() { printf '%q ' "$@"; }

# run COMMAND…: says it and does it. The first that fails ends everything.
run() {
  echo "+ $(shown "$@")"
  [ "$dry" = no ] || return 0
  "$@" || die "this command failed, and nothing after it was done. Mend what it complains of and run the same again: what is there is left alone.
  $(shown "$@")"
}

# bind COMMAND…: as run, for a grant. An account that was made a moment ago is not known everywhere yet.
bind() {
  local attempt
  if [ "$dry" = no ]; then
    for attempt in 1 2 3 4 5; do
      echo "+ $(shown "$@")"
      "$@" && return 0
      echo "attempt $attempt of 6 failed"
      sleep "${ODIN_BOOTSTRAP_PAUSE:-5}" # s
    done
  fi
  run "$@"
}

# there COMMAND…: whether something exists already; in a dry run nothing does.
there() { [ "$dry" = no ] && "$@" >/dev/null 2>&1; }

# bound BINDING COMMAND…: whether the policy that COMMAND prints has the binding "ROLE,MEMBER,TITLE OF ITS
# CONDITION".
bound() {
  local binding="$1" policy
  shift
  [ "$dry" = no ] || return 1
  policy="$("$@" --flatten="bindings[].members" \
    --format="csv[no-heading](bindings.role,bindings.members,bindings.condition.title)" 2>/dev/null)" || return 1
  grep -qxF -- "$binding" <<<"$policy"
}
