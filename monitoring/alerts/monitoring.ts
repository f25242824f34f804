import { DISKS, JOB, OTHER_METRIC } from "../limits/metrics.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { type Alert, percent, TEMPLATE, timingAndSeverity } from "./alert.ts";

/** Alerts on what watches: its disks, its targets, its own configuration and messages; and on the certificate. */
export function monitoringAlerts(options: MonitoringOptions): Alert[] {
  return [...machineAlerts(options), ...ownAlerts(options)];
}

function machineAlerts({ kind, domain }: MonitoringOptions): Alert[] {
  const onDisks = `{job="${JOB.machine}",mountpoint=~"${DISKS}"}`;
  const disk = "{{ $labels.mountpoint }} of {{ $labels.instance }}";
  const available = `${OTHER_METRIC.diskAvailable}${onDisks}`;
  const left = `${available} / ${OTHER_METRIC.diskSize}${onDisks}`;
  const tomorrow = `predict_linear(${available}[${T.diskFull.window}], ${24 * 3600})`;
  return [
    ...(kind === "local"
      ? []
      : [
          {
            name: "DiskFillingUp",
            expr: `${tomorrow} < ${T.diskFull.value} and ${left} < ${T.diskFull.room} and ${available} offset ${T.diskFull.history}`,
            ...timingAndSeverity(T.diskFull),
            summary: `Disk ${disk} will be full within a day`,
            description: `In 24 h ${disk} would have {{ $value | humanize1024 }}B left, if it goes on like in the last ${T.diskFull.window}.`,
            dashboard: "operations" as const,
          },
          {
            name: "DiskNearlyFull",
            expr: `${left} < ${T.diskLeft.value}`,
            ...timingAndSeverity(T.diskLeft),
            summary: `Disk ${disk} is nearly full`,
            description: `${TEMPLATE.percentage} of ${disk} is left (limit of the alert: ${percent(T.diskLeft.value)}). Without room neither metrics nor logs are kept, and alerts end.`,
            dashboard: "operations" as const,
          },
        ]),
    ...(domain === undefined
      ? []
      : [
          {
            name: "CertificateExpiring",
            expr: `${OTHER_METRIC.certificateEnd}{job="${JOB.entrance}"} - time() < ${T.certificate.value}`,
            ...timingAndSeverity(T.certificate),
            summary: `The certificate of ${domain} has not been renewed`,
            description: `It ends in ${TEMPLATE.duration}. Then no browser connects by wss://${domain} any more.`,
            dashboard: "operations" as const,
          },
          entranceBroken(domain),
        ]),
  ];
}

function entranceBroken(domain: string): Alert {
  const probes = `${OTHER_METRIC.probeSuccess}{job="${JOB.entrance}"}`;
  return {
    name: "EntranceBroken",
    expr: `${probes} <= ${T.entrance.value} and max_over_time(${probes}[${T.entrance.window}]) > ${T.entrance.value}`,
    ...timingAndSeverity(T.entrance),
    summary: `No browser connects by wss://${domain}`,
    description: `probe_success is ${TEMPLATE.value} for ${T.entrance.for}: no TLS handshake with ${domain} succeeds; its certificate has ended or is not valid, or nothing answers.`,
    dashboard: "operations",
  };
}

/** On what decides and tells. */
function ownAlerts({ kind }: MonitoringOptions): Alert[] {
  return [
    ...(kind === "local" ? [] : [discoveryFailing()]),
    {
      name: "RulesFailing",
      expr: `sum by (rule_group) (increase(${OTHER_METRIC.ruleFailures}[${T.rules.window}])) > ${T.rules.value}`,
      ...timingAndSeverity(T.rules),
      summary: "Rules of {{ $labels.rule_group }} cannot be evaluated",
      description: `${TEMPLATE.value} evaluations of {{ $labels.rule_group }} have failed in ${T.rules.window}: its alerts cannot fire.`,
      dashboard: "logs",
    },
    {
      name: "TargetDown",
      expr: `${OTHER_METRIC.up}{job!="${JOB.gateway}"} == ${T.targetDown.value}`,
      ...timingAndSeverity(T.targetDown),
      summary: "Prometheus gets nothing from {{ $labels.job }} {{ $labels.instance }}",
      description: `up is ${TEMPLATE.value} for {{ $labels.job }} {{ $labels.instance }}: what alerts and dashboards take from it is missing.`,
      dashboard: "operations",
    },
    {
      name: "ConfigurationRefused",
      expr: `{__name__=~"${OTHER_METRIC.prometheusReloaded}|${OTHER_METRIC.alertmanagerReloaded}"} == ${T.configReload.value}`,
      ...timingAndSeverity(T.configReload),
      summary: "{{ $labels.job }} does not take its configuration",
      description: `The last reload of {{ $labels.job }} gave ${TEMPLATE.value}: it goes on with what it had, and changes have no effect.`,
      dashboard: "logs",
    },
    {
      name: "NotificationsFailing",
      expr: `sum by (integration) (rate(${OTHER_METRIC.notificationsFailed}[${T.notifications.window}])) > ${T.notifications.value}`,
      ...timingAndSeverity(T.notifications),
      summary: "Alerts do not get through by {{ $labels.integration }}",
      description: `${TEMPLATE.rate} notifications a second by {{ $labels.integration }} fail.`,
      dashboard: "logs",
    },
    {
      name: "Watchdog",
      expr: "vector(1)",
      for: "0s",
      severity: "info",
      summary: "Alerting works",
      description: `Always firing (${TEMPLATE.value}): when it stops to arrive, no other alert arrives either.`,
      dashboard: "operations",
    },
  ];
}

/** Only where Google Cloud is asked for gateways. */
function discoveryFailing(): Alert {
  return {
    name: "DiscoveryFailing",
    expr: `sum by (mechanism) (increase(${OTHER_METRIC.discoveryFailures}[${T.discovery.window}])) > ${T.discovery.value}`,
    ...timingAndSeverity(T.discovery),
    summary: "Prometheus cannot ask for gateways",
    description: `${TEMPLATE.value} questions to Google Cloud ({{ $labels.mechanism }}) have failed in ${T.discovery.window}: new gateways are not watched, and those that are gone count as down.`,
    dashboard: "logs",
  };
}
