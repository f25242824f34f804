import type * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { CONNECTIONS_METRIC } from "../machines/metric-descriptor.ts";
import { roleLabels, type Site } from "../site.ts";

/** An alert policy's content. */
export interface Alert {
  severity: "CRITICAL" | "WARNING";
  /** What is the case, in words. */
  title: string;
  conditions: gcp.types.input.monitoring.AlertPolicyCondition[];
  /** Markdown: what it means and the first things to look at. */
  documentation: pulumi.Input<string>;
  /** By mail only: who gets the webhook has been told already. */
  byMail?: boolean;
}

/** What the alerts are about. */
export interface Watched {
  site: Site;
  /** Ids of the uptime checks of the entrances. */
  checks: pulumi.Output<string>[];
  /** Name of the gateways' instance group. */
  group: pulumi.Output<string>;
  monitoring: {
    /** Name of the VM in the cloud. */
    instance: string;
    zone: string;
    /**
     * Type of a metric that the VM writes each minute while Prometheus and Alertmanager work: how many critical alerts fire. Default: only
     * the VM itself is watched.
     */
    heartbeat?: string;
  };
}

/** The policies by the last part of their logical names. Queries on metrics of Google's are checked by it when they are created. */
export function alerts({ site, checks, group, monitoring }: Watched): Record<string, Alert> {
  const { project, region, prefix } = site;
  const { instance, zone, heartbeat } = monitoring;
  return {
    entrance: {
      severity: "CRITICAL",
      title: "clients cannot connect",
      conditions: checks.map(unreachable),
      documentation: pulumi.interpolate`An entrance does not answer to Google's probes from at least two places of the world.

1. Is any gateway healthy? \`gcloud compute instance-groups managed list-instances ${group} --region ${region} --project ${project}\`
2. What do they say? \`gcloud compute ssh GATEWAY --zone ZONE --project ${project} --tunnel-through-iap -- curl -s localhost:3002/health\`
3. None starts: \`gcloud compute instances get-serial-port-output GATEWAY --zone ZONE --project ${project} | grep odin-startup\`
4. It began with a rollout: go back with \`pulumi config set serverImage EARLIER_DIGEST && pulumi up\`

docs/runbook.md: all gateways down`,
    },
    monitoring: {
      severity: "CRITICAL",
      title: "monitoring is down",
      conditions: [
        query(`${instance} is not running`, "60s", absent(UPTIME, `instance_name="${instance}"`, "10m")),
        ...(heartbeat === undefined
          ? []
          : [
              query(
                "Prometheus or Alertmanager does not work",
                "120s",
                absent(heartbeat, labelsOf(site, "monitoring"), "5m"),
                OWN,
              ),
            ]),
      ],
      documentation: `Nobody sees metrics and logs, and no other alert can fire. Clients are not affected.

1. Does the VM run? \`gcloud compute instances describe ${instance} --zone ${zone} --project ${project} --format 'value(status)'\`; if not: \`gcloud compute instances start …\`
2. How did it start? \`gcloud compute instances get-serial-port-output ${instance} --zone ${zone} --project ${project} | grep odin-startup\`
3. What runs? \`gcloud compute ssh ${instance} --zone ${zone} --project ${project} --tunnel-through-iap -- systemctl list-units 'odin-*'\`

Data is on a disk of its own: the VM may be replaced at any time.

docs/runbook.md: monitoring itself down`,
    },
    ...(heartbeat === undefined ? {} : { critical: criticalAlerts(site, zone, instance, heartbeat) }),
    "autoscaler-limit": {
      severity: "WARNING",
      title: "the autoscaler cannot add gateways",
      // What the gateways carry by what they carry at the target. Above 1 the autoscaler wants more of them; for ten minutes only when it
      // may not (its maximum) or cannot (quota, no machines in the zone). Series by series: CPU and connections are never added up.
      conditions: [
        query(
          "load above the targets for 10 min",
          "600s",
          group.apply((name) => {
            const labels = `{monitored_resource="autoscaler",instance_group_manager_name="${name}"}`;
            return `max(${promqlName("autoscaler.googleapis.com/current_utilization")}${labels} / ${promqlName("autoscaler.googleapis.com/capacity")}${labels}) > 1`;
          }),
        ),
      ],
      documentation: pulumi.interpolate`CPU or connections have been above the autoscaler's targets for 10 min, and it has not added enough gateways. Full gateways refuse clients.

1. At its maximum? \`gcloud compute instance-groups managed describe ${group} --region ${region} --project ${project} --format 'yaml(targetSize,autoscaler.autoscalingPolicy.maxNumReplicas,autoscaler.statusDetails)'\`
2. Then more may be: \`pulumi config set maxInstances N && pulumi up\` (the preview shows one update, of the autoscaler)
3. Below it: quota or no machines, see \`gcloud compute instance-groups managed list-errors ${group} --region ${region} --project ${project}\`

docs/runbook.md: autoscaler at its maximum`,
    },
    "metric-absent": {
      severity: "WARNING",
      title: "gateways do not report their connections",
      conditions: [
        query(
          "no connections metric for 5 min",
          "120s",
          absent(CONNECTIONS_METRIC, labelsOf(site, "gateway"), "5m"),
          OWN,
        ),
      ],
      documentation: pulumi.interpolate`No gateway of ${prefix} has written ${CONNECTIONS_METRIC} for 5 min: the autoscaler sees CPU only.

1. Do gateways run? \`gcloud compute instance-groups managed list-instances ${group} --region ${region} --project ${project}\`
2. What do they complain of? \`gcloud compute ssh GATEWAY --zone ZONE --project ${project} --tunnel-through-iap -- sudo journalctl CONTAINER_NAME=odin-gateway -n 50\`
3. May they write? Their service account needs roles/monitoring.metricWriter.

docs/runbook.md: custom metric absent`,
    },
  };
}

/** What Prometheus found: Alertmanager posts it to the webhook, but has no way to send mail. */
function criticalAlerts(site: Site, zone: string, instance: string, heartbeat: string): Alert {
  const series = `${promqlName(heartbeat)}{monitored_resource="gce_instance",${labelsOf(site, "monitoring")}}`;
  return {
    severity: "CRITICAL",
    title: "critical alerts are firing",
    conditions: [query("critical alerts in Alertmanager", "0s", `max(${series}) > 0`, OWN)],
    documentation: `Prometheus has found what somebody has to see to now.

1. Which alerts? \`gcloud compute ssh ${instance} --zone ${zone} --project ${site.project} --tunnel-through-iap -- "curl -s 'localhost:9093/api/v2/alerts?filter=severity=critical'"\`, or Grafana's dashboard of operations
2. Each has a link to its section of docs/runbook.md`,
    byMail: true,
  };
}

/** How Cloud Monitoring's own alerts on uptime checks do it: at least two of six regions fail. */
function unreachable(check: pulumi.Output<string>, index: number): Alert["conditions"][number] {
  return {
    displayName: index === 0 ? "load balancer unreachable" : "TLS entrance unreachable",
    conditionThreshold: {
      filter: pulumi.interpolate`metric.type="monitoring.googleapis.com/uptime_check/check_passed" AND metric.label.check_id="${check}" AND resource.type="uptime_url"`,
      aggregations: [
        {
          alignmentPeriod: "1200s",
          perSeriesAligner: "ALIGN_NEXT_OLDER",
          crossSeriesReducer: "REDUCE_COUNT_FALSE",
          groupByFields: ["resource.label.*"],
        },
      ],
      comparison: "COMPARISON_GT",
      thresholdValue: 1, // regions
      duration: "60s",
      trigger: { count: 1 },
    },
  };
}

const UPTIME = "compute.googleapis.com/instance/uptime_total"; // a point a minute while the VM runs, seen up to 4 min later

/** A metric of ours does not exist before the first VM has written it, and the policy must not wait for that. */
const OWN = { disableMetricValidation: true };

function query(
  displayName: string,
  duration: string,
  promql: pulumi.Input<string>,
  more: { disableMetricValidation?: boolean } = {},
): Alert["conditions"][number] {
  return {
    displayName,
    conditionPrometheusQueryLanguage: { query: promql, duration, evaluationInterval: "60s", ...more },
  };
}

/** True when no VM with these labels has written the metric within the time, or ever. */
function absent(metric: string, labels: string, time: string): string {
  return `absent_over_time(${promqlName(metric)}{monitored_resource="gce_instance",${labels}}[${time}])`;
}

/** The labels of a role's VMs as PromQL sees them: stacks may share a project. */
function labelsOf(site: Site, role: string): string {
  return Object.entries(roleLabels(site, role))
    .map(([key, value]) => `metadata_user_${key.replaceAll("-", "_")}="${value}"`)
    .join(",");
}

/** A metric type in PromQL: the first slash becomes a colon, every other special character an underscore. */
function promqlName(metric: string): string {
  return metric.replace("/", ":").replaceAll(/[^\w:]/g, "_");
}
