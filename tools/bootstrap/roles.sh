# shellcheck shell=bash disable=SC2034
# The roles that bootstrap.sh grants in the project, by who gets them.

# What the deployer needs in the project, by what the stacks consist of. It makes accounts and starts VMs that
# run as them. These accounts are not there yet, and a condition cannot name them beforehand: so both roles
# for accounts are for all of the project, and the deployer can act as any account that somebody else has put
# there. Hence a project of its own, and no rights for the default account of Compute Engine (see the end of
# this script's output).
deployer_roles=(
  roles/artifactregistry.admin          # repositories, their readers, pushing
  roles/certificatemanager.owner        # the certificate of wss://
  roles/compute.instanceAdmin.v1        # VMs, templates, the group and its autoscaler, disks and snapshots
  roles/compute.networkAdmin            # network, NAT, addresses, load balancers, health checks
  roles/compute.securityAdmin           # firewall rules, the TLS and rate limit policies of wss://
  roles/dns.admin                       # records of wss://
  roles/iam.serviceAccountAdmin         # an account for each role of machines
  roles/iam.serviceAccountUser          # starting VMs that run as them
  roles/monitoring.editor               # metrics, uptime checks, alerts
  roles/secretmanager.admin             # secrets, their versions and readers
  roles/serviceusage.serviceUsageAdmin  # enabling APIs
  roles/storage.admin                   # the bucket of the monitoring VM's configuration
)
# The deployer may grant these in the project and no others, so that it cannot make itself an owner.
granted_roles=(
  roles/compute.viewer
  roles/logging.logWriter
  roles/monitoring.metricWriter
)
previewer_roles=(
  roles/browser                           # which project this is and who pays for it
  roles/compute.viewer                    # images and templates that a preview looks up
  roles/serviceusage.serviceUsageConsumer # calls that name the project as the one whose quota they use
)
# What a refresh of every resource reads. It includes the payloads of secrets, which the state has too.
drift_roles=(
  roles/iam.securityReviewer
  roles/secretmanager.secretAccessor
  roles/serviceusage.serviceUsageConsumer
  roles/storage.bucketViewer
  roles/storage.objectViewer
  roles/viewer
)
# What people on call need beside what the deployer and the nightly comparison have: `pulumi up --refresh` is
# among their commands, and may have to mend anything.
on_call_roles=(
  roles/compute.osAdminLogin       # a login on the VMs, with sudo
  roles/iap.tunnelResourceAccessor # the way there: VMs have no public address
)
