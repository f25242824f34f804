# shellcheck shell=bash disable=SC2154
# Compares the project's quotas with what the stacks need. Uses bootstrap.sh's variables dry, project, region,
# stacks and here.

# quota_needs STACK: prints the vCPUs at the start and at most, then the GB of balanced disks at the start and
# at most. A stack needs most when all gateways run and a rollout has added one gateway in each zone. Prints
# nothing for a stack that this repository does not have.
quota_needs() {
  case "$1" in
  prod | prod-*) echo "12 24 180 300" ;;
  staging | staging-*) echo "6 10 100 140" ;;
  capacity | capacity-*) echo "8 8 80 80" ;;
  esac
}

# region_of STACK: the region in which the stack's file places its machines.
region_of() {
  local found=""
  found="$(sed -n 's/^ *gcp:region: *//p' "$here/../Pulumi.$1.yaml" 2>/dev/null)" || true
  echo "${found:-$region}"
}

# quota_line NAME LIMIT START MOST WHERE: prints a line when the limit is too low. LIMIT may have decimals. It
# is empty when Google reports no such quota.
quota_line() {
  local limit="${2%%.*}"
  if [ -z "$limit" ] || [ "$limit" -ge "$4" ]; then return 0; fi
  if [ "$limit" -lt "$3" ]; then
    echo "$1 in $5: the limit is $limit. The stacks need $3 to start, and pulumi up would fail; at most they need $4."
  else
    echo "$1 in $5: the limit is $limit. The stacks start with $3, and need up to $4 when they scale out and roll out."
  fi
}

# limit_of METRIC: the metric's limit in the lines METRIC,LIMIT of stdin.
limit_of() { sed -n "s/^$1,//p"; }

# quotas_in REGION START MOST DISK_START DISK_MOST: prints what is too low for machines in this region.
quotas_in() {
  local quotas format="csv[no-heading](quotas.metric,quotas.limit)"
  if ! quotas="$(gcloud compute regions describe "$1" --project="$project" --flatten="quotas[]" --format="$format" 2>/dev/null)"; then
    echo "The quotas in $1 cannot be read. The stacks need CPUS $3 and SSD_TOTAL_GB $5: look at the page below."
    return 0
  fi
  quota_line CPUS "$(limit_of CPUS <<<"$quotas")" "$2" "$3" "$1"
  quota_line SSD_TOTAL_GB "$(limit_of SSD_TOTAL_GB <<<"$quotas")" "$4" "$5" "$1"
}

# check_quotas: prints the quotas that are too low for the stacks together, and where to request more. Low
# quotas do not end the script, because a stack may start with them.
check_quotas() {
  local needs=() stack place regions="" start most disk_start disk_most all_start=0 all_most=0 low="" quotas=""
  [ "$dry" = no ] || return 0
  for stack in "${stacks[@]}"; do
    [ -z "$(quota_needs "$stack")" ] || regions+="$(region_of "$stack") "
  done
  for place in $(tr ' ' '\n' <<<"$regions" | sort -u); do
    start=0 most=0 disk_start=0 disk_most=0
    for stack in "${stacks[@]}"; do
      [ "$(region_of "$stack")" = "$place" ] || continue
      read -r -a needs <<<"$(quota_needs "$stack")"
      [ ${#needs[@]} -gt 0 ] || continue
      start=$((start + needs[0])) most=$((most + needs[1]))
      disk_start=$((disk_start + needs[2])) disk_most=$((disk_most + needs[3]))
    done
    all_start=$((all_start + start)) all_most=$((all_most + most))
    low+="$(quotas_in "$place" "$start" "$most" "$disk_start" "$disk_most")"$'\n'
  done
  if [ "$all_most" -gt 0 ]; then
    quotas="$(gcloud compute project-info describe --project="$project" --flatten="quotas[]" --format="csv[no-heading](quotas.metric,quotas.limit)" 2>/dev/null)" || true
    low+="$(quota_line CPUS_ALL_REGIONS "$(limit_of CPUS_ALL_REGIONS <<<"$quotas")" "$all_start" "$all_most" "all regions")"
  fi
  low="$(sed '/^$/d' <<<"$low")"
  [ -n "$low" ] || return 0
  say "Quotas that are too low"
  echo "$low"
  echo "Request more, which may take some days: https://console.cloud.google.com/iam-admin/quotas?project=$project"
}
