import { JOB, LABEL, METRIC, OTHER_METRIC, REFUSALS } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { type Alert, percent, TEMPLATE, timingAndSeverity } from "./alert.ts";

/** Part of the time that a gateway answers which now and then is too slow to. */
const MOSTLY_UP = 0.8;

/** Alerts on the gateways: whether they are there, their load, who gets in, what they deliver. */
export function gatewayAlerts(options: MonitoringOptions): Alert[] {
  return [...fleetAlerts(options), ...loadAlerts(), ...deliveryAlerts()];
}

function fleetAlerts({ maxConnections }: MonitoringOptions): Alert[] {
  const up = `${OTHER_METRIC.up}{job="${JOB.gateway}"}`;
  return [
    {
      name: "AllGatewaysDown",
      expr: `${RECORD.gatewaysUp} <= ${T.gatewaysUp.value} and on() ${RECORD.gateways} > ${T.gatewaysKnown.value} and on() ${ever(RECORD.gatewaysUp, T.gatewaysUp)}`,
      ...timingAndSeverity(T.gatewaysUp),
      summary: "No gateway answers: nobody can connect",
      description: `${TEMPLATE.value} gateways answer Prometheus. Clients get no connection and no messages.`,
      dashboard: "operations",
    },
    {
      name: "NoGatewaysFound",
      expr: `${RECORD.gateways} <= ${T.gatewaysKnown.value} and on() ${ever(RECORD.gateways, T.gatewaysKnown)}`,
      ...timingAndSeverity(T.gatewaysKnown),
      summary: "There are no gateways, or Prometheus does not find them",
      description: `${TEMPLATE.value} gateways are known for ${T.gatewaysKnown.for}: their group is empty, or Google Cloud does not tell. Every alert on a gateway is blind.`,
      dashboard: "operations",
    },
    {
      name: "GatewayDown",
      expr: `${up} == ${T.gatewayDown.value}`,
      ...timingAndSeverity(T.gatewayDown),
      summary: `Gateway ${TEMPLATE.gateway} does not answer`,
      description: `up is ${TEMPLATE.value}: ${TEMPLATE.gateway} has not answered Prometheus for ${T.gatewayDown.for}, and autohealing has not replaced it.`,
      dashboard: "operations",
    },
    {
      name: "RestartLoop",
      expr: restarts(up),
      ...timingAndSeverity(T.restarts),
      summary: `Gateway ${TEMPLATE.gateway} keeps starting anew`,
      description: `${TEMPLATE.gateway} has started ${TEMPLATE.value} times in ${T.restarts.window}; each time its clients were cut off.`,
      dashboard: "operations",
    },
    {
      name: "DrainStuck",
      expr: `${METRIC.draining} > ${T.draining.value}`,
      ...timingAndSeverity(T.draining),
      summary: `Gateway ${TEMPLATE.gateway} does not get to the end of its drain`,
      description: `ws_draining is ${TEMPLATE.value} on ${TEMPLATE.gateway} for ${T.draining.for}: it takes no clients, and has not stopped.`,
      dashboard: "operations",
    },
    {
      name: "AutoscalingEvent",
      expr: `${RECORD.gateways} != ${RECORD.gateways} offset ${T.autoscaling.window}`,
      ...timingAndSeverity(T.autoscaling),
      summary: "The number of gateways has changed",
      description: `There are ${TEMPLATE.value} gateways now, another number than ${T.autoscaling.window} ago.`,
      dashboard: "operations",
    },
    {
      name: "CapacityNearlyFull",
      expr: `${METRIC.capacityRatio} > ${T.capacity.value}`,
      ...timingAndSeverity(T.capacity),
      summary: `Gateway ${TEMPLATE.gateway} is nearly full`,
      description: `${TEMPLATE.percentage} of the ${maxConnections} connections of ${TEMPLATE.gateway} are taken (limit of the alert: ${percent(T.capacity.value)}). Full gateways refuse clients.`,
      dashboard: "capacity",
    },
  ];
}

/** A deployment's first minutes are not news. */
function ever(record: string, { value, window }: { value: number; window: string }): string {
  return `max_over_time(${record}[${window}]) > ${value}`;
}

/** A process that lives for seconds may be seen as often away as there: its counters tell nothing, going up and down does. */
function restarts(up: string): string {
  const { value, window } = T.restarts;
  const seen = `resets(${OTHER_METRIC.cpuSeconds}{job="${JOB.gateway}"}[${window}]) > ${value}`;
  const away = `avg_over_time(${up}[${window}]) < ${MOSTLY_UP}`;
  return `${seen} or ceil(changes(${up}[${window}]) / 2) > ${value} and ${away}`;
}

function loadAlerts(): Alert[] {
  return [
    {
      name: "HighCpu",
      expr: `${METRIC.cpuUsage} > ${T.cpu.value}`,
      ...timingAndSeverity(T.cpu),
      summary: `Gateway ${TEMPLATE.gateway} is short of CPU`,
      description: `${TEMPLATE.gateway} uses ${TEMPLATE.value}% of its CPU limit (limit of the alert: ${T.cpu.value}%). It refuses clients, and reads the stream slower.`,
      dashboard: "operations",
    },
    {
      name: "HighMemory",
      expr: `${RECORD.instanceMemory} > ${T.memory.value}`,
      ...timingAndSeverity(T.memory),
      summary: `Gateway ${TEMPLATE.gateway} is short of memory`,
      description: `${TEMPLATE.gateway} uses ${TEMPLATE.percentage} of its memory limit (limit of the alert: ${percent(T.memory.value)}). It refuses clients; not far above 100 % the system ends it.`,
      dashboard: "operations",
    },
    {
      name: "EventLoopLag",
      expr: `${OTHER_METRIC.eventLoopLag}{job="${JOB.gateway}"} > ${T.eventLoopLag.value}`,
      ...timingAndSeverity(T.eventLoopLag),
      summary: `Processes of gateway ${TEMPLATE.gateway} are held up`,
      description: `The event loop of ${TEMPLATE.gateway} lags by ${TEMPLATE.duration} (99th percentile, limit of the alert: ${T.eventLoopLag.value} s). Every message waits for it.`,
      dashboard: "operations",
    },
    {
      name: "ConnectionsRejected",
      expr: connectionsRejected(),
      ...timingAndSeverity(T.rejections),
      summary: "Clients are refused because of us ({{ $labels.reason }})",
      description: `${TEMPLATE.rate} connections a second are refused for the reason {{ $labels.reason }}.`,
      dashboard: "operations",
    },
    {
      name: "ClientsRejected",
      expr: clientsRejected(),
      ...timingAndSeverity(T.clientRejections),
      summary: "Many clients are refused for what they send",
      description: `${TEMPLATE.percentage} of all connection attempts are refused for their token, origin, path or number (limit of the alert: ${percent(T.clientRejections.value)}): wrong keys or a broken page.`,
      dashboard: "operations",
    },
  ];
}

function connectionsRejected(): string {
  const { value, window, bursts } = T.rejections;
  const ours = `${METRIC.connectionsRejected}{${LABEL.refusal}=~"${REFUSALS.ours.join("|")}"}`;
  const rate = (over: string) => `sum by (${LABEL.refusal}) (rate(${ours}[${over}]))`;
  return `${rate(window)} > ${value} or ${rate(bursts.window)} > ${bursts.value}`;
}

function clientsRejected(): string {
  const { value, least, window } = T.clientRejections;
  const rate = (metric: string) => `sum(rate(${metric}[${window}]))`;
  const refused = rate(`${METRIC.connectionsRejected}{${LABEL.refusal}=~"${REFUSALS.client.join("|")}"}`);
  const all = `(${rate(METRIC.connectionsTotal)} + ${rate(METRIC.connectionsRejected)})`;
  return `${refused} / ${all} > ${value} and ${refused} > ${least}`;
}

function deliveryAlerts(): Alert[] {
  return [
    {
      name: "HighDropRate",
      expr: `${RECORD.instanceDropRatio} > ${T.dropRate.value}`,
      ...timingAndSeverity(T.dropRate),
      summary: `Gateway ${TEMPLATE.gateway} leaves messages out`,
      description: `${TEMPLATE.percentage} of the deliveries of ${TEMPLATE.gateway} are left out (limit of the alert: ${percent(T.dropRate.value)}).`,
      dashboard: "operations",
    },
    {
      name: "HighLatency",
      expr: `${RECORD.instanceLatency}{quantile="0.99"} > ${T.latency.value}`,
      ...timingAndSeverity(T.latency),
      summary: `Messages of gateway ${TEMPLATE.gateway} are late`,
      description: `From publishing to the socket it takes ${TEMPLATE.duration} on ${TEMPLATE.gateway} (99th percentile, limit of the alert: ${T.latency.value} s).`,
      dashboard: "operations",
    },
  ];
}
