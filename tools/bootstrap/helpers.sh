# shellcheck shell=bash disable=SC2154
# Functions of bootstrap.sh that print text and run commands. They use its variables dry (yes or no) and
# project.

die() {
  echo "bootstrap: $*" >&2
  exit 1
}

say() { echo "== $*"; }
email() { echo "$1@$project.iam.gserviceaccount.com"; }

# shown COMMAND…: prints the command with quotes, so that a person can copy it.
shown() { printf '%q ' "$@"; }

# run COMMAND…: prints the command and runs it (a dry run only prints it). The first command that fails ends
# the script.
run() {
  echo "+ $(shown "$@")"
  [ "$dry" = no ] || return 0
  "$@" || die "this command failed, and nothing after it was done. Fix the error above and run bootstrap.sh again with the same arguments: it does not change what already exists.
  $(shown "$@")"
}

# bind COMMAND…: like run, for a grant, with up to six attempts: it takes a while until a new account is known
# everywhere.
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

# there COMMAND…: whether a resource exists already (COMMAND succeeds). In a dry run nothing exists.
there() { [ "$dry" = no ] && "$@" >/dev/null 2>&1; }

# bound BINDING COMMAND…: whether the policy that COMMAND prints has the binding, which has the form
# "ROLE,MEMBER,TITLE OF THE CONDITION".
bound() {
  local binding="$1" policy
  shift
  [ "$dry" = no ] || return 1
  policy="$("$@" --flatten="bindings[].members" \
    --format="csv[no-heading](bindings.role,bindings.members,bindings.condition.title)" 2>/dev/null)" || return 1
  grep -qxF -- "$binding" <<<"$policy"
}
