#!/usr/bin/env bash
# Prepares a Google Cloud project for Pulumi and GitHub. Run this script before the first `pulumi up`.
#   tools/bootstrap.sh [options] PROJECT [OWNER/REPO]
#     --stack NAME             a stack in this project; repeat it for each stack (default: staging and prod)
#     --region REGION          region of Pulumi's state and of its key (default: us-central1)
#     --promote-from PROJECT   project whose images are copied here: staging's, when prod has its own project
#     --repository-id N        numeric id of the repository. With it, a later repository of the same name gets
#                              no access
#     --on-call MEMBER         person or group that looks at the service and changes the limits of the
#                              autoscaler, for example group:ops@example.com; repeat it for each member
#     --operator MEMBER        person or group that runs all commands of docs/runbook.md; repeat it as well
#     --budget                 grants roles on the project's billing account, which monthlyBudget needs (run
#                              the script as administrator of the billing account)
#     --dry-run                prints the commands without running them
# Run the script as an owner of the project (gcloud auth login). It makes only what is missing, so you can run
# it again at any time: after a failure, or to add a repository. Without OWNER/REPO it sets up nothing for
# GitHub.
#
# At the end the script prints quotas that are too low for the stacks.
#
# The script enables the APIs without which Pulumi cannot enable the others. It makes a bucket for Pulumi's
# state, which keeps all earlier versions, and a key that encrypts the secrets in the state. For GitHub it
# makes three service accounts without keys, which only workflows of this repository can use:
#   odin-deployer   creates and changes everything; only for jobs of main in the environment with the stack's
#                   name
#   odin-previewer  reads the state with its secrets, for previews. In a project without production: for all
#                   jobs of the repository, also of pull requests (forks get no identity from GitHub). In a
#                   project with the stack prod or prod-…: for all jobs of main
#   odin-drift      reads the whole project, for the nightly comparison; for all jobs of main
set -euo pipefail

region=us-central1
ring=odin-pulumi
key=state
pool=odin-github
provider=github
apis=(billingbudgets cloudbilling cloudkms cloudresourcemanager compute iam iamcredentials serviceusage storage sts)

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=tools/bootstrap/roles.sh
source "$here/bootstrap/roles.sh"
# shellcheck source=tools/bootstrap/helpers.sh
source "$here/bootstrap/helpers.sh"
# shellcheck source=tools/bootstrap/quotas.sh
source "$here/bootstrap/quotas.sh"

usage() { sed -n '2,/^set -euo/{s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"; }

wrong() {
  echo "bootstrap: $*" >&2
  usage >&2
  exit 2
}

enable_apis() {
  say "APIs"
  local api enabled="" missing=()
  [ "$dry" = yes ] || enabled="$(gcloud services list --enabled --project="$project" --format="value(config.name)")" ||
    die "cannot list the APIs of $project: see the error above"
  for api in "${apis[@]}"; do
    grep -qx "$api.googleapis.com" <<<"$enabled" || missing+=("$api.googleapis.com")
  done
  [ ${#missing[@]} -eq 0 ] || run gcloud services enable "${missing[@]}" --project="$project"
}

make_state() {
  say "State: gs://$bucket, its secrets encrypted with $key_path"
  there gcloud storage buckets describe "gs://$bucket" ||
    run gcloud storage buckets create "gs://$bucket" --project="$project" --location="$region" \
      --uniform-bucket-level-access --public-access-prevention
  local versions=""
  [ "$dry" = yes ] || versions="$(gcloud storage buckets describe "gs://$bucket" --format="value(versioning_enabled)")"
  [ "$versions" = True ] || run gcloud storage buckets update "gs://$bucket" --versioning
  there gcloud kms keyrings describe "$ring" --location="$region" --project="$project" ||
    run gcloud kms keyrings create "$ring" --location="$region" --project="$project"
  there gcloud kms keys describe "$key" --keyring="$ring" --location="$region" --project="$project" ||
    run gcloud kms keys create "$key" --keyring="$ring" --location="$region" --project="$project" --purpose=encryption
}

# make_account NAME DESCRIPTION: makes a service account.
make_account() {
  there gcloud iam service-accounts describe "$(email "$1")" --project="$project" ||
    run gcloud iam service-accounts create "$1" --project="$project" --display-name="$1" --description="$2"
}

account() { echo "serviceAccount:$(email "$1")"; }

# grant_project PROJECT MEMBER ROLE…: grants roles in a project.
grant_project() {
  local where="$1" member="$2" role
  shift 2
  for role in "$@"; do
    # --condition=None: without it, gcloud asks for a condition when the policy already has a condition.
    bound "$role,$member," gcloud projects get-iam-policy "$where" ||
      bind gcloud projects add-iam-policy-binding "$where" --member="$member" --role="$role" --condition=None --format=none
  done
}

# grant_granting MEMBER: lets the member grant the machines' roles, and no others. The title of the condition
# contains a checksum of these roles: when the roles change, a new binding is made.
grant_granting() {
  local member="$1" role=roles/resourcemanager.projectIamAdmin list title file
  list="$(printf "'%s'," "${granted_roles[@]}")"
  title="grants-$(printf '%s\n' "${granted_roles[@]}" | cksum | cut -d ' ' -f 1)"
  if bound "$role,$member,$title" gcloud projects get-iam-policy "$project"; then return; fi
  file="$scratch/condition.yaml"
  printf 'title: %s\ndescription: only these roles\nexpression: "api.getAttribute('\''iam.googleapis.com/modifiedGrantsByRole'\'', []).hasOnly([%s])"\n' \
    "$title" "${list%,}" >"$file"
  echo "# condition.yaml:" && cat "$file"
  bind gcloud projects add-iam-policy-binding "$project" --member="$member" --role="$role" --condition-from-file="$file" --format=none
}

# grant_state MEMBER BUCKET_ROLE KEY_ROLE: grants roles on the state's bucket and key.
grant_state() {
  local member="$1"
  bound "$2,$member," gcloud storage buckets get-iam-policy "gs://$bucket" ||
    bind gcloud storage buckets add-iam-policy-binding "gs://$bucket" --member="$member" --role="$2" --format=none
  bound "$3,$member," gcloud kms keys get-iam-policy "$key" --keyring="$ring" --location="$region" --project="$project" ||
    bind gcloud kms keys add-iam-policy-binding "$key" --keyring="$ring" --location="$region" --project="$project" \
      --member="$member" --role="$3" --format=none
}

# make_federation: Google accepts GitHub's tokens of this repository, so no keys are needed. The attributes
# come from claims with fixed names. They do not come from the claim `sub`, because GitHub is changing its
# format (the repository's number is added).
make_federation() {
  local where=(--location=global --project="$project") in_pool condition mapping state=""
  in_pool=("${where[@]}" --workload-identity-pool="$pool")
  condition="assertion.repository == '$repository'"
  [ -z "$repository_id" ] || condition+=" && assertion.repository_id == '$repository_id'"
  mapping="google.subject=assertion.sub,attribute.repository=assertion.repository,attribute.ref=assertion.ref"
  mapping+=",attribute.main_environment=assertion.ref == 'refs/heads/main' && has(assertion.environment) ? assertion.environment : 'none'"
  [ "$dry" = yes ] || state="$(gcloud iam workload-identity-pools describe "$pool" "${where[@]}" --format="value(state)" 2>/dev/null)" || true
  case "$state" in
  ACTIVE) ;;
  # The name of a deleted pool cannot be used again for 30 days.
  DELETED) run gcloud iam workload-identity-pools undelete "$pool" "${where[@]}" ;;
  *) run gcloud iam workload-identity-pools create "$pool" "${where[@]}" --display-name="GitHub" ;;
  esac
  local verb=create-oidc now
  if there gcloud iam workload-identity-pools providers describe "$provider" "${in_pool[@]}"; then
    now="$(gcloud iam workload-identity-pools providers describe "$provider" "${in_pool[@]}" --format="value(attributeCondition)")"
    [ "$now" != "$condition" ] || return 0
    verb=update-oidc
  fi
  run gcloud iam workload-identity-pools providers "$verb" "$provider" "${in_pool[@]}" \
    --issuer-uri=https://token.actions.githubusercontent.com --attribute-mapping="$mapping" --attribute-condition="$condition"
}

# let_in ACCOUNT ATTRIBUTE/VALUE: lets jobs whose token has this attribute act as the account.
let_in() {
  local member role=roles/iam.workloadIdentityUser
  member="principalSet://iam.googleapis.com/projects/$number/locations/global/workloadIdentityPools/$pool/attribute.$2"
  bound "$role,$member," gcloud iam service-accounts get-iam-policy "$(email "$1")" --project="$project" ||
    bind gcloud iam service-accounts add-iam-policy-binding "$(email "$1")" --project="$project" --member="$member" --role="$role" --format=none
}

# keep_out ACCOUNT ATTRIBUTE/VALUE: removes what let_in granted.
keep_out() {
  local member role=roles/iam.workloadIdentityUser
  member="principalSet://iam.googleapis.com/projects/$number/locations/global/workloadIdentityPools/$pool/attribute.$2"
  ! bound "$role,$member," gcloud iam service-accounts get-iam-policy "$(email "$1")" --project="$project" ||
    run gcloud iam service-accounts remove-iam-policy-binding "$(email "$1")" --project="$project" --member="$member" --role="$role" --format=none
}

# holds_production: whether this project has the stack prod or prod-…, from this run or from an earlier run.
holds_production() {
  local stack policy
  for stack in "${stacks[@]}"; do case "$stack" in prod | prod-*) return 0 ;; esac done
  [ "$dry" = no ] || return 1
  policy="$(gcloud iam service-accounts get-iam-policy "$(email odin-deployer)" --project="$project" \
    --flatten="bindings[].members" --format="csv[no-heading](bindings.role,bindings.members,bindings.condition.title)")"
  grep -qE '/attribute\.main_environment/prod(-[a-z0-9-]*)?,' <<<"$policy"
}

# grant_billing: grants roles on the billing account: the deployer changes its budget, the nightly comparison
# reads it.
grant_billing() {
  local payer="BILLING_ACCOUNT" member role
  say "Budget"
  if [ "$dry" = no ]; then
    payer="$(gcloud billing projects describe "$project" --format="value(billingAccountName)")" || die "cannot read the billing account of $project: see the error above"
    payer="${payer#billingAccounts/}"
    [ -n "$payer" ] || die "$project has no billing account: gcloud billing projects link $project --billing-account=ACCOUNT"
  fi
  for member in "${budgeters[@]}"; do
    role="${member%% *}" member="${member#* }"
    bound "$role,$member," gcloud billing accounts get-iam-policy "$payer" ||
      bind gcloud billing accounts add-iam-policy-binding "$payer" --member="$member" --role="$role" --format=none
  done
}

# make_limits_role: makes the role that may change the limits of the autoscaler, and nothing else.
make_limits_role() {
  local verb=create permissions
  permissions="$(IFS=, && echo "${limits_permissions[*]}")"
  ! there gcloud iam roles describe "$limits_role" --project="$project" || verb=update
  [ "$verb" = create ] || [ "$(gcloud iam roles describe "$limits_role" --project="$project" --format="value(includedPermissions.list())")" != "$permissions" ] ||
    return 0
  run gcloud iam roles "$verb" "$limits_role" --project="$project" --title="odin-ws limits" --stage=GA --permissions="$permissions" --quiet
}

# grant_if MEMBER ROLE TITLE EXPRESSION: grants a role in the project under a condition.
grant_if() {
  local file="$scratch/condition.yaml"
  if bound "$2,$1,$3" gcloud projects get-iam-policy "$project"; then return; fi
  printf 'title: %s\nexpression: %s\n' "$3" "$4" >"$file"
  echo "# condition.yaml:" && cat "$file"
  bind gcloud projects add-iam-policy-binding "$project" --member="$1" --role="$2" --condition-from-file="$file" --format=none
}

# let_on_call MEMBER: grants the roles of people on call.
let_on_call() {
  local ports
  say "On call: $1"
  make_limits_role
  grant_project "$project" "$1" "${on_call_roles[@]}" "projects/$project/roles/$limits_role"
  ports="$(IFS=, && echo "${on_call_ports[*]}")"
  grant_if "$1" roles/iap.tunnelResourceAccessor monitoring-only "destination.port in [$ports]"
  grant_if "$1" roles/secretmanager.secretAccessor grafana-only \
    "resource.name.extract('/secrets/{name}/').endsWith('-monitoring-grafana-admin-password')"
}

# let_operate MEMBER: grants the roles of operators.
let_operate() {
  say "Operator: $1"
  grant_project "$project" "$1" "${deployer_roles[@]}" "${drift_roles[@]}" "${operator_roles[@]}"
  grant_granting "$1"
  grant_state "$1" roles/storage.objectAdmin roles/cloudkms.cryptoKeyEncrypterDecrypter
  budgeters+=("roles/billing.viewer $1")
}

make_identities() {
  say "Service accounts for the workflows of $repository"
  make_account odin-deployer "Deploys stacks from the main branch"
  make_account odin-previewer "Previews pull requests"
  make_account odin-drift "Compares the project with the program every night"
  grant_project "$project" "$(account odin-deployer)" "${deployer_roles[@]}"
  grant_granting "$(account odin-deployer)"
  grant_project "$project" "$(account odin-previewer)" "${previewer_roles[@]}"
  grant_project "$project" "$(account odin-drift)" "${drift_roles[@]}"
  [ -z "$promote_from" ] || grant_project "$promote_from" "$(account odin-deployer)" roles/artifactregistry.reader
  grant_state "$(account odin-deployer)" roles/storage.objectAdmin roles/cloudkms.cryptoKeyEncrypterDecrypter
  grant_state "$(account odin-previewer)" roles/storage.objectViewer roles/cloudkms.cryptoKeyDecrypter
  grant_state "$(account odin-drift)" roles/storage.objectViewer roles/cloudkms.cryptoKeyDecrypter
  budgeters+=("roles/billing.costsManager $(account odin-deployer)" "roles/billing.viewer $(account odin-drift)")
  make_federation
  local stack
  for stack in "${stacks[@]}"; do let_in odin-deployer "main_environment/$stack"; done
  # A workflow on any branch could print everything that the account can read, so in production only main is
  # allowed.
  if holds_production; then
    keep_out odin-previewer "repository/$repository"
    let_in odin-previewer ref/refs/heads/main
  else
    let_in odin-previewer "repository/$repository"
  fi
  let_in odin-drift ref/refs/heads/main
}

next_steps() {
  local stack upper
  say "Next, in the repository"
  echo "gcloud auth application-default login"
  echo "pulumi login gs://$bucket"
  for stack in "${stacks[@]}"; do
    echo "pulumi stack init $stack --secrets-provider=gcpkms://$key_path"
    echo "pulumi config set gcp:project $project --stack $stack"
  done
  echo "git add Pulumi.*.yaml && git commit    # these files now contain the name of the key and encrypted values"
  [ -n "$repository" ] || return 0
  say "Next, on GitHub"
  for stack in "${stacks[@]}"; do
    upper="$(tr '[:lower:]-' '[:upper:]_' <<<"$stack")"
    echo "gh variable set ${upper}_GCP_PROJECT --repo $repository --body $project"
    echo "gh variable set ${upper}_GCP_PROJECT_NUMBER --repo $repository --body $number"
    echo "gh api --method PUT repos/$repository/environments/$stack"
  done
  echo "Then set required reviewers for the environment prod, and allow only the branch main in each environment: Settings, Environments."
  [ "$budget" = yes ] || echo "For a budget (monthlyBudget), as administrator of the billing account, run the same command again with --budget."
}

# Warns when the default service account of Compute Engine is an editor of the project, because the deployer
# could act as that account.
warn_default_account() {
  local member="serviceAccount:$number-compute@developer.gserviceaccount.com"
  bound "roles/editor,$member," gcloud projects get-iam-policy "$project" || return 0
  say "Recommended if nothing else in $project needs this role, because the deployer could act as this account"
  echo "gcloud projects remove-iam-policy-binding $project --member=$member --role=roles/editor"
}

project="" repository="" repository_id="" promote_from="" dry=no budget=no stacks=() on_call=() operators=() budgeters=()
while [ $# -gt 0 ]; do
  case "$1" in
  --dry-run) dry=yes ;;
  --budget) budget=yes ;;
  --help | -h) usage && exit 0 ;;
  --stack | --region | --promote-from | --repository-id | --on-call | --operator)
    [ -n "${2:-}" ] || wrong "$1 needs a value"
    case "$1" in
    --stack) stacks+=("$2") ;;
    --region) region="$2" ;;
    --promote-from) promote_from="$2" ;;
    --repository-id) repository_id="$2" ;;
    --on-call) on_call+=("$2") ;;
    --operator) operators+=("$2") ;;
    esac
    shift
    ;;
  -*) wrong "unknown option '$1'" ;;
  *)
    [ -z "$repository" ] || wrong "unexpected argument '$1'"
    if [ -z "$project" ]; then project="$1"; else repository="$1"; fi
    ;;
  esac
  shift
done
id='^[a-z][a-z0-9-]{4,28}[a-z0-9]$'
[[ "$project" =~ $id ]] || wrong "'$project' is not a project id"
[[ -z "$promote_from" || "$promote_from" =~ $id ]] || wrong "--promote-from '$promote_from' is not a project id"
[[ -z "$repository" || "$repository" =~ ^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$ ]] || wrong "'$repository' is not OWNER/REPO"
[[ -z "$repository_id" || "$repository_id" =~ ^[0-9]+$ ]] || wrong "--repository-id '$repository_id' is not a number"
[[ "$region" =~ ^[a-z]+-[a-z]+[0-9]+$ ]] || wrong "--region '$region' is not a region, for example us-central1"
for member in "${on_call[@]+"${on_call[@]}"}" "${operators[@]+"${operators[@]}"}"; do
  [[ "$member" =~ ^(user|group):[^@[:space:],]+@[^@[:space:],]+$ ]] || wrong "'$member' must be user:… or group:…, for example group:ops@example.com"
done
[ ${#stacks[@]} -gt 0 ] || stacks=(staging prod)
for stack in "${stacks[@]}"; do [[ "$stack" =~ ^[a-z][a-z0-9-]*$ ]] || wrong "--stack '$stack' is not the name of a stack"; done
bucket="$project-odin-pulumi"
key_path="projects/$project/locations/$region/keyRings/$ring/cryptoKeys/$key"

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

number=PROJECT_NUMBER
if [ "$dry" = no ]; then
  command -v gcloud >/dev/null || die "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
  number="$(gcloud projects describe "$project" --format="value(projectNumber)")" ||
    die "cannot read the project $project: is the id right, and are you logged in (gcloud auth login)?"
fi
enable_apis
make_state
[ -z "$repository" ] || make_identities
for member in "${on_call[@]+"${on_call[@]}"}"; do let_on_call "$member"; done
for member in "${operators[@]+"${operators[@]}"}"; do let_operate "$member"; done
[ "$budget" = no ] || [ ${#budgeters[@]} -eq 0 ] || grant_billing
next_steps
warn_default_account
check_quotas
