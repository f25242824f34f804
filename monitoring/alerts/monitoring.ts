import { DISKS, JOB, OTHER_METRIC } from "../limits/metrics.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { type Alert, percent, TEMPLATE, timingAndSeverity } from "./alert.ts";

/**
 * Name of the alert that always fires. When this alert stops reaching Alertmanager, the VM's heartbeat ends,
 * and Google Cloud raises the alarm.
 */
export const WATCHDOG = "Watchdog";

/** Alerts on the monitoring itself (disks, targets, configuration, notifications) and on the TLS entrance. */
export function monitoringAlerts(options: MonitoringOptions): Alert[] {
  return [...machineAlerts(options), ...logAlerts(options), ...ownAlerts(options)];
}

function logAlerts({ logBucket }: MonitoringOptions): Alert[] {
  if (logBucket === undefined) return [];
  return [
    {
      name: "LogsNotStored",
      expr: `rate(${OTHER_METRIC.logFlushFailures}[${T.logFlush.window}]) > ${T.logFlush.value}`,
      ...timingAndSeverity(T.logFlush),
      summary: "Loki cannot write logs to its bucket",
      description: `For ${T.logFlush.for} Loki could not write to ${logBucket}: ${TEMPLATE.rate} failures a second. It keeps the logs in memory and on its disk, and they are lost with the disk.`,
      dashboard: "logs",
    },
  ];
}

function machineAlerts({ kind, domain }: MonitoringOptions): Alert[] {
  const onDisks = `{job="${JOB.machine}",mountpoint=~"${DISKS}"}`;
  const disk = "{{ $labels.mountpoint }} of {{ $labels.instance }}";
  const available = `${OTHER_METRIC.diskAvailable}${onDisks}`;
  const freeRatio = `${available} / ${OTHER_METRIC.diskSize}${onDisks}`;
  const freeInADay = `predict_linear(${available}[${T.diskFull.window}], ${24 * 3600})`;
  return [
    ...(kind === "local"
      ? []
      : [
          {
            name: "DiskFillingUp",
            expr: `${freeInADay} < ${T.diskFull.value} and ${freeRatio} < ${T.diskFull.freeBelow} and ${available} offset ${T.diskFull.minHistory}`,
            ...timingAndSeverity(T.diskFull),
            summary: `Disk ${disk} will be full within a day`,
            description: `At the rate of the last ${T.diskFull.window}, {{ $value | humanize1024 }}B of ${disk} will be left in 24 h.`,
            dashboard: "operations" as const,
          },
          {
            name: "DiskNearlyFull",
            expr: `${freeRatio} < ${T.diskLeft.value}`,
            ...timingAndSeverity(T.diskLeft),
            summary: `Disk ${disk} is nearly full`,
            description: `${TEMPLATE.percentage} of ${disk} is left (alert threshold: ${percent(T.diskLeft.value)}). On a full disk monitoring stores no metrics and no logs, and NATS no messages.`,
            dashboard: "operations" as const,
          },
          ...kernelAlerts(),
        ]),
    ...(domain === undefined
      ? []
      : [
          {
            name: "CertificateExpiring",
            expr: `${OTHER_METRIC.certificateEnd}{job="${JOB.entrance}"} - time() < ${T.certificate.value}`,
            ...timingAndSeverity(T.certificate),
            summary: `The certificate of ${domain} has not been renewed`,
            description: `The certificate expires in ${TEMPLATE.duration}. From then on browsers cannot connect to wss://${domain}.`,
            dashboard: "operations" as const,
          },
          entranceBroken(domain),
        ]),
  ];
}

/** Alerts on what a machine's kernel refuses. */
function kernelAlerts(): Alert[] {
  const machine = `{job="${JOB.machine}"}`;
  const dropped = [OTHER_METRIC.listenDrops, OTHER_METRIC.synDrops].map(
    (name) => `rate(${name}${machine}[${T.kernelDrops.window}])`,
  );
  return [
    {
      name: "KernelDropsConnections",
      expr: `${dropped.join(" + ")} > ${T.kernelDrops.value}`,
      ...timingAndSeverity(T.kernelDrops),
      summary: "The kernel of {{ $labels.instance }} drops new connections",
      description: `${TEMPLATE.rate} connections a second to {{ $labels.instance }} are dropped before a program accepts them (alert threshold: ${T.kernelDrops.value}): clients wait seconds and try again.`,
      dashboard: "operations",
    },
    {
      name: "ConntrackNearlyFull",
      expr: `${OTHER_METRIC.conntrack}${machine} / ${OTHER_METRIC.conntrackLimit}${machine} > ${T.conntrack.value}`,
      ...timingAndSeverity(T.conntrack),
      summary: "The table of connections of {{ $labels.instance }} is nearly full",
      description: `${TEMPLATE.percentage} of the kernel's table of connections is in use (alert threshold: ${percent(T.conntrack.value)}). When the table is full, new connections get no answer.`,
      dashboard: "operations",
    },
    {
      name: "MachineMemoryLow",
      expr: `${OTHER_METRIC.machineMemoryAvailable}${machine} / ${OTHER_METRIC.machineMemory}${machine} < ${T.machineMemory.value}`,
      ...timingAndSeverity(T.machineMemory),
      summary: "{{ $labels.instance }} is short of memory",
      description: `${TEMPLATE.percentage} of the memory of {{ $labels.instance }} is available (alert threshold: ${percent(T.machineMemory.value)}). The kernel will end a program.`,
      dashboard: "operations",
    },
  ];
}

function entranceBroken(domain: string): Alert {
  const probes = `${OTHER_METRIC.probeSuccess}{job="${JOB.entrance}"}`;
  return {
    name: "EntranceBroken",
    expr: `${probes} <= ${T.entrance.value} and max_over_time(${probes}[${T.entrance.window}]) > ${T.entrance.value}`,
    ...timingAndSeverity(T.entrance),
    summary: `Browsers cannot connect to wss://${domain}`,
    description: `probe_success has been ${TEMPLATE.value} for ${T.entrance.for}: no TLS handshake with ${domain} succeeds. Either its certificate has expired or is not valid, or nothing answers.`,
    dashboard: "operations",
  };
}

/** Alerts about Prometheus and Alertmanager themselves. */
function ownAlerts({ kind }: MonitoringOptions): Alert[] {
  return [
    ...(kind === "local" ? [] : [discoveryFailing()]),
    {
      name: "RulesFailing",
      expr: `sum by (rule_group) (increase(${OTHER_METRIC.ruleFailures}[${T.rules.window}])) > ${T.rules.value}`,
      ...timingAndSeverity(T.rules),
      summary: "Prometheus cannot evaluate the rules of {{ $labels.rule_group }}",
      description: `${TEMPLATE.value} evaluations of {{ $labels.rule_group }} have failed in ${T.rules.window}: the alerts of this group cannot fire.`,
      dashboard: "logs",
    },
    {
      name: "TargetDown",
      expr: `${OTHER_METRIC.up}{job!="${JOB.gateway}"} == ${T.targetDown.value}`,
      ...timingAndSeverity(T.targetDown),
      summary: "Prometheus cannot scrape {{ $labels.job }} {{ $labels.instance }}",
      description: `up is ${TEMPLATE.value} for {{ $labels.job }} {{ $labels.instance }}: alerts and dashboards that need its metrics have no data.`,
      dashboard: "operations",
    },
    {
      name: "ConfigurationRefused",
      expr: `{__name__=~"${OTHER_METRIC.prometheusReloaded}|${OTHER_METRIC.alertmanagerReloaded}"} == ${T.configReload.value}`,
      ...timingAndSeverity(T.configReload),
      summary: "{{ $labels.job }} refuses its new configuration",
      description: `The last reload of {{ $labels.job }} failed (success is ${TEMPLATE.value}): {{ $labels.job }} keeps its old configuration, and changes have no effect.`,
      dashboard: "logs",
    },
    {
      name: "NotificationsFailing",
      expr: `sum by (integration) (rate(${OTHER_METRIC.notificationsFailed}[${T.notifications.window}])) > ${T.notifications.value}`,
      ...timingAndSeverity(T.notifications),
      summary: "Alertmanager cannot send alerts by {{ $labels.integration }}",
      description: `${TEMPLATE.rate} notifications a second by {{ $labels.integration }} fail: this receiver gets no alerts.`,
      dashboard: "logs",
    },
    {
      name: WATCHDOG,
      expr: "vector(1)",
      for: "0s",
      severity: "info",
      summary: "Alerting works",
      description: `This alert always fires (value ${TEMPLATE.value}). If this alert stops arriving, no other alert arrives either.`,
      dashboard: "operations",
    },
  ];
}

/** Alert for deployments in which Prometheus asks Google Cloud for its targets. */
function discoveryFailing(): Alert {
  return {
    name: "DiscoveryFailing",
    expr: `sum by (mechanism) (increase(${OTHER_METRIC.discoveryFailures}[${T.discovery.window}])) > ${T.discovery.value}`,
    ...timingAndSeverity(T.discovery),
    summary: "Prometheus cannot ask Google Cloud for gateways",
    description: `${TEMPLATE.value} requests to Google Cloud ({{ $labels.mechanism }}) have failed in ${T.discovery.window}: new gateways are not monitored, and deleted gateways count as down.`,
    dashboard: "logs",
  };
}
