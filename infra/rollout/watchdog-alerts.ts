import type * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { CONNECTIONS_METRIC } from "../machines/metric-descriptor.ts";
import { roleLabels, type Site } from "../site.ts";

/** Content of an alert policy. */
export interface Alert {
  severity: "CRITICAL" | "WARNING";
  /** The problem in a few words. */
  title: string;
  conditions: gcp.types.input.monitoring.AlertPolicyCondition[];
  /** Markdown: the meaning of the alert, and the first things to look at. */
  documentation: pulumi.Input<string>;
  /**
   * True: send mail only, because the recipients of the webhook have got this alert from Alertmanager
   * already.
   */
  mailOnly?: boolean;
}

/** The parts of a stack that the alerts watch. */
export interface Watched {
  site: Site;
  /** Ids of the uptime checks of the entrances. `wss` is the TLS entrance; undefined without a domain. */
  checks: { loadBalancer: pulumi.Output<string>; wss: pulumi.Output<string> | undefined };
  /** Name of the gateways' instance group. */
  group: pulumi.Output<string>;
  monitoring: {
    /** Name of the VM in the cloud. */
    instance: string;
    zone: string;
    /**
     * Type of a metric that the VM writes each minute while Prometheus and Alertmanager work: the number of
     * critical alerts that fire. Default: only the VM itself is watched.
     */
    heartbeat?: string;
    /**
     * Type of a metric with a series for each alert of Prometheus that fires, with the labels `alert` and
     * `severity`. Default: Google Cloud sends no mail about these alerts.
     */
    alerts?: string;
  };
}

/**
 * Returns the alerts by the last part of their policies' logical names. Google checks queries on its own
 * metrics when a policy is created.
 */
export function alerts({ site, checks, group, monitoring }: Watched): Record<string, Alert> {
  const { project, region, prefix } = site;
  const { instance, zone, heartbeat } = monitoring;
  const firing = monitoring.alerts;
  return {
    entrance: {
      severity: "CRITICAL",
      title: "clients cannot connect",
      conditions: [
        unreachable(checks.loadBalancer),
        ...(checks.wss === undefined ? [] : [noLongerReachable(checks.wss)]),
      ],
      documentation: pulumi.interpolate`An entrance does not answer Google's probes from at least two regions of the world.

1. Is any gateway healthy? \`gcloud compute instance-groups managed list-instances ${group} --region ${region} --project ${project}\`
2. What do the gateways say? \`gcloud compute ssh GATEWAY --zone ZONE --project ${project} --tunnel-through-iap -- curl -s localhost:3002/health\`
3. If no gateway starts: \`gcloud compute instances get-serial-port-output GATEWAY --zone ZONE --project ${project} | grep odin-startup\`
4. If the failure began with a rollout, go back with \`pulumi config set serverImage EARLIER_DIGEST && pulumi up\`

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
      documentation: `Metrics and logs are not available, and no other alert can fire. Clients are not affected.

1. Does the VM run? \`gcloud compute instances describe ${instance} --zone ${zone} --project ${project} --format 'value(status)'\`; if not: \`gcloud compute instances start …\`
2. How did the VM start? \`gcloud compute instances get-serial-port-output ${instance} --zone ${zone} --project ${project} | grep odin-startup\`
3. Which services run? \`gcloud compute ssh ${instance} --zone ${zone} --project ${project} --tunnel-through-iap -- systemctl list-units 'odin-*'\`

Data is on a disk of its own: the VM may be replaced at any time.

docs/runbook.md: monitoring itself down`,
    },
    ...(firing === undefined
      ? {}
      : {
          critical: firingAlerts(site, zone, instance, firing, "critical"),
          warnings: firingAlerts(site, zone, instance, firing, "warning"),
        }),
    "autoscaler-limit": autoscalerLimit(site, group),
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
      documentation: pulumi.interpolate`No gateway of ${prefix} has written ${CONNECTIONS_METRIC} for 5 min, so the autoscaler sees CPU only.

1. Do gateways run? \`gcloud compute instance-groups managed list-instances ${group} --region ${region} --project ${project}\`
2. What do the gateways log? \`gcloud compute ssh GATEWAY --zone ZONE --project ${project} --tunnel-through-iap -- sudo journalctl CONTAINER_NAME=odin-gateway -n 50\`
3. May the gateways write the metric? Their service account needs roles/monitoring.metricWriter.

docs/runbook.md: custom metric absent`,
    },
  };
}

/** @param group name of the instance group in the site's region */
function autoscalerLimit({ project, region }: Site, group: pulumi.Output<string>): Alert {
  return {
    severity: "WARNING",
    title: "the autoscaler cannot add gateways",
    // The gateways' load divided by their load at the target. Above 1, the autoscaler wants more gateways.
    // The value stays above 1 for ten minutes only when the autoscaler is at its maximum or cannot create
    // machines (quota, or no machines available in the zone). The division is per series: CPU and
    // connections are never added up.
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
    documentation: pulumi.interpolate`CPU or connections have been above the autoscaler's targets for 10 min, and the autoscaler has not added enough gateways. Full gateways refuse clients.

1. Is the number of gateways at its maximum? \`gcloud compute instance-groups managed describe ${group} --region ${region} --project ${project} --format 'yaml(targetSize,autoscaler.autoscalingPolicy.maxNumReplicas,autoscaler.statusDetails)'\`
2. If so, raise the maximum: \`pulumi config set maxInstances N && pulumi up\` (the preview shows one update, of the autoscaler)
3. If not, the cause is a quota or a lack of machines: \`gcloud compute instance-groups managed list-errors ${group} --region ${region} --project ${project}\`

docs/runbook.md: autoscaler at its maximum`,
  };
}

/** A region beside the home region, and the id of the uptime check of its address. */
export interface WatchedRegion {
  site: Site;
  check: pulumi.Output<string>;
  /** Name of the region's instance group. */
  group: pulumi.Output<string>;
}

/**
 * The alerts of a region beside the home region, by the last part of their policies' logical names. Clients
 * of the TLS entrance use the other regions meanwhile, so a region that cannot be reached is a warning.
 */
export function regionAlerts({ site, check, group }: WatchedRegion): Record<string, Alert> {
  const { project, region } = site;
  const limit = autoscalerLimit(site, group);
  return {
    [`entrance-${region}`]: {
      severity: "WARNING",
      title: `clients cannot connect to ${region}`,
      conditions: [unreachable(check)],
      documentation: pulumi.interpolate`The load balancer of ${region} does not answer Google's probes from at least two regions of the world. The TLS entrance sends clients to the other regions.

1. Is any gateway healthy? \`gcloud compute instance-groups managed list-instances ${group} --region ${region} --project ${project}\`
2. Does Google report an incident in the region? https://status.cloud.google.com
3. Have the other regions room? \`gcloud compute instance-groups managed list --project ${project}\`; if not, raise their maximum: \`pulumi config set --path 'regions["REGION"].maxInstances' N && pulumi up\`

docs/runbook.md: a region is down`,
    },
    [`autoscaler-limit-${region}`]: { ...limit, title: `${limit.title} in ${region}` },
  };
}

/**
 * Sends mail about the alerts of Prometheus: Alertmanager posts them to the webhook, but cannot send mail.
 * Each alert has an incident of its own, so an alert that begins while another one fires is a new mail.
 */
function firingAlerts(
  site: Site,
  zone: string,
  instance: string,
  metric: string,
  severity: "critical" | "warning",
): Alert {
  const series = `${promqlName(metric)}{monitored_resource="gce_instance",severity="${severity}",${labelsOf(site, "monitoring")}}`;
  const isCritical = severity === "critical";
  return {
    severity: isCritical ? "CRITICAL" : "WARNING",
    title: isCritical ? "a critical alert is firing" : "a warning is firing",
    conditions: [
      query(
        isCritical ? "critical alert in Alertmanager" : "warning in Alertmanager",
        "0s",
        `max by (alert) (${series}) > 0`,
        OWN,
      ),
    ],
    documentation: `${isCritical ? "Prometheus has found a problem that needs a person now." : "Prometheus has found a problem that can wait until the morning."} The label \`alert\` of this incident is the alert's name.

1. The values and links of the alert: \`gcloud compute ssh ${instance} --zone ${zone} --project ${site.project} --tunnel-through-iap -- "curl -s 'localhost:9093/api/v2/alerts?filter=severity=${severity}'"\`, or Grafana's dashboard of operations
2. docs/runbook.md has a section for each alert`,
    mailOnly: true,
  };
}

/**
 * The check fails in at least two of six regions: the condition that Cloud Monitoring itself uses for uptime
 * checks.
 */
function unreachable(check: pulumi.Output<string>): Alert["conditions"][number] {
  return {
    displayName: "load balancer unreachable",
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

/**
 * The same condition for the TLS entrance, and the check must have passed within a day: the first certificate
 * takes up to an hour, or longer while its DNS records are missing. When the entrance fails for more than a
 * day, the alert EntranceBroken of Prometheus continues to fire.
 */
function noLongerReachable(check: pulumi.Output<string>): Alert["conditions"][number] {
  return query(
    "TLS entrance unreachable",
    "60s",
    check.apply((id) => {
      const passed = `${promqlName("monitoring.googleapis.com/uptime_check/check_passed")}{monitored_resource="uptime_url",check_id="${id}"}`;
      const failing = `count(last_over_time(${passed}[20m]) == 0) > 1`;
      return `${failing} and on() max(max_over_time(${passed}[1d])) > 0`;
    }),
  );
}

// Google writes one point a minute while the VM runs; it is visible up to 4 min later.
const UPTIME = "compute.googleapis.com/instance/uptime_total";

/**
 * For metrics of ours: they do not exist before the first VM writes them, and creating the policy must not
 * wait for that.
 */
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

/** Query that is true when no VM with these labels has written the metric within the time. */
function absent(metric: string, labels: string, time: string): string {
  return `absent_over_time(${promqlName(metric)}{monitored_resource="gce_instance",${labels}}[${time}])`;
}

/** The labels of a role's VMs in PromQL. They select this stack's VMs, because stacks may share a project. */
function labelsOf(site: Site, role: string): string {
  return Object.entries(roleLabels(site, role))
    .map(([key, value]) => `metadata_user_${key.replaceAll("-", "_")}="${value}"`)
    .join(",");
}

/** A metric type in PromQL: the first slash becomes a colon, every other special character an underscore. */
function promqlName(metric: string): string {
  return metric.replace("/", ":").replaceAll(/[^\w:]/g, "_");
}
