#!/usr/bin/env bash
# A fake gcloud for the tests of bootstrap.sh. Its projects are files in the folder FAKE_STATE. It records
# each command that changes something in FAKE_LOG. A command that matches FAKE_FAILS fails the first
# FAKE_FAILURES times (default: always). It is written in bash because bash starts fast, and a run calls it a
# hundred times.
set -euo pipefail

command="$*" verb="" kind="" project="" role="" member="" format="" title="" values=()
for arg in "$@"; do
  case "$arg" in
  --project=*) project="${arg#*=}" ;;
  --role=*) role="${arg#*=}" ;;
  --member=*) member="${arg#*=}" ;;
  --format=*) format="${arg#*=}" ;;
  --condition-from-file=*) title="$(sed -n 's/^title: //p' "${arg#*=}")" ;;
  --attribute-condition=*) values+=("condition ${arg#*=}") ;;
  --permissions=*) values+=("permissions ${arg#*=}") ;;
  --versioning) values+=("versioning True") ;;
  --*) ;;
  describe | list | enable | create | create-oidc | update | update-oidc | undelete | get-iam-policy | add-iam-policy-binding | remove-iam-policy-binding)
    verb="$arg" ;;
  *) kind="$kind $arg" ;; # kind and name of the resource, for example "kms keys state"
  esac
done
# A service account is made by its short name; other commands use its long name.
case "$kind" in " iam service-accounts"*) [[ "$kind" == *@* ]] || kind="$kind@$project.iam.gserviceaccount.com" ;; esac
mkdir -p "$FAKE_STATE"
file="$FAKE_STATE/${kind//\//%}"

problem() {
  echo "ERROR: (gcloud$kind $verb) $1" >&2
  exit 1
}

value() { sed -n "s/^$1 //p" "$file" | tail -n 1; }

note() {
  echo "$command" >>"$FAKE_LOG"
  [ "$1" = new ] || [ -e "$file" ] || problem NOT_FOUND
}

if [ -n "${FAKE_FAILS:-}" ] && [[ "$command" =~ $FAKE_FAILS ]]; then
  failed="$(cat "$FAKE_STATE/failed" 2>/dev/null || echo 0)"
  if [ "$failed" -lt "${FAKE_FAILURES:-1000}" ]; then
    echo $((failed + 1)) >"$FAKE_STATE/failed"
    problem PERMISSION_DENIED
  fi
fi

case "$verb" in
list) cat "$FAKE_STATE/apis" 2>/dev/null || true ;;
enable)
  note new
  tr ' ' '\n' <<<"${kind# services }" >>"$FAKE_STATE/apis"
  ;;
describe)
  [ -e "$file" ] || problem NOT_FOUND
  case "$format" in
  "value(projectNumber)") echo 123456789012 ;;
  "value(versioning_enabled)") value versioning ;;
  "value(includedPermissions.list())") value permissions ;;
  "value(state)") value state ;;
  "value(billingAccountName)") value billingAccountName ;;
  "value(attributeCondition)") value condition ;;
  "csv[no-heading](quotas.metric,quotas.limit)") sed -n 's/^quota \(.*\) \(.*\)/\1,\2/p' "$file" ;;
  esac
  ;;
create | create-oidc)
  note new
  [ ! -e "$file" ] || problem ALREADY_EXISTS
  printf '%s\n' "state ACTIVE" "${values[@]+"${values[@]}"}" >"$file"
  ;;
update | update-oidc | undelete)
  note old
  printf '%s\n' "state ACTIVE" "${values[@]+"${values[@]}"}" >>"$file"
  ;;
get-iam-policy) cat "$file.policy" 2>/dev/null || true ;;
add-iam-policy-binding)
  note old
  echo "$role,$member,$title" >>"$file.policy"
  ;;
remove-iam-policy-binding)
  note old
  grep -vxF "$role,$member,$title" "$file.policy" >"$file.policy.new" || true
  mv "$file.policy.new" "$file.policy"
  ;;
*) problem "no such command: $command" ;;
esac
