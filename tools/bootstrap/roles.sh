# shellcheck shell=bash disable=SC2034
# The roles that bootstrap.sh grants in the project, by the account that gets them.

# Roles of the deployer, by the resources of the stacks. The deployer makes service accounts and starts VMs
# that run as these accounts. The accounts do not exist yet, and a condition cannot name them in advance, so
# both roles for accounts apply to the whole project: the deployer can act as every account in the project.
# Therefore use a project only for odin-ws, and give the default account of Compute Engine no rights
# (bootstrap.sh warns about it at the end).
deployer_roles=(
  roles/artifactregistry.admin          # repositories, their readers, pushing
  roles/certificatemanager.owner        # the certificate of wss://
  roles/compute.instanceAdmin.v1        # VMs, templates, the group and its autoscaler, disks and snapshots
  roles/compute.networkAdmin            # network, NAT, addresses, load balancers, health checks
  roles/compute.securityAdmin           # firewall rules, the TLS and rate limit policies of wss://
  roles/dns.admin                       # records of wss://
  roles/iam.serviceAccountAdmin         # an account for each role of machines
  roles/iam.serviceAccountUser          # starting VMs that run as these accounts
  roles/iap.tunnelResourceAccessor      # connections to VMs, which have no public address: the canary's judge
  roles/monitoring.editor               # metrics, uptime checks, alerts
  roles/secretmanager.admin             # secrets, their versions and readers
  roles/serviceusage.serviceUsageAdmin  # enabling APIs
  roles/storage.admin                   # the buckets of monitoring: its configuration, and the logs
)
# The only roles that the deployer may grant in the project. So it cannot make itself an owner.
granted_roles=(
  roles/compute.viewer
  roles/logging.logWriter
  roles/monitoring.metricWriter
)
previewer_roles=(
  roles/browser                           # number and billing account of the project
  roles/compute.viewer                    # images and templates that a preview looks up
  roles/serviceusage.serviceUsageConsumer # calls that use the project's quota
)
# Roles to read every resource in a refresh. They include the payloads of secrets, which the state contains
# too.
drift_roles=(
  roles/iam.securityReviewer
  roles/secretmanager.secretAccessor
  roles/serviceusage.serviceUsageConsumer
  roles/storage.bucketViewer
  roles/storage.objectViewer
  roles/viewer
)
# Roles of people on call: they look, and change the limits of the autoscaler. None of these roles lets them
# log in to a VM or read the state, because a person who can do that can read secrets.
on_call_roles=(
  roles/artifactregistry.reader    # which images there are
  roles/browser                    # who has which role in the project
  roles/certificatemanager.viewer  # the state of the certificate
  roles/compute.viewer             # VMs, the group, their errors and serial consoles
  roles/monitoring.viewer          # alerts and metrics of Google Cloud
)
# A role of this project's own for the limits: Google's smallest role that may change an autoscaler may also
# create and delete VMs.
limits_role=odinLimits
limits_permissions=(
  compute.autoscalers.get
  compute.autoscalers.list
  compute.autoscalers.update
  compute.instanceGroupManagers.get
  compute.instanceGroupManagers.list
  compute.instanceGroupManagers.use
)
# Ports of the monitoring VM that people on call open through Identity-Aware Proxy: Grafana, Prometheus, Loki,
# Alertmanager. A gateway's port 3004 is open to everybody anyway, and port 22 is not among them.
on_call_ports=(3010 9090 3100 9093)
# Roles of operators, in addition to the roles of the deployer and of the nightly comparison. They need those
# too, because the runbook's commands include `pulumi up --refresh`, which may have to repair any resource.
operator_roles=(
  roles/compute.osAdminLogin # a login on the VMs, with sudo; the deployer's roles let them connect
)
