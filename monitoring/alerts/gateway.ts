import { JOB, LABEL, METRIC, OTHER_METRIC, REFUSALS } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { type Alert, percent, TEMPLATE, timingAndSeverity } from "./alert.ts";

/** A gateway that is only occasionally too slow for Prometheus answers at least this share of the scrapes. */
const MOSTLY_UP = 0.8;

/** Alerts on gateways: whether they run, their load, refused connections and the delivery of messages. */
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
      summary: "No gateway answers: no client can connect",
      description: `${TEMPLATE.value} gateways answer Prometheus. Clients cannot connect and receive no messages.`,
      dashboard: "operations",
    },
    {
      name: "NoGatewaysFound",
      expr: `${RECORD.gateways} <= ${T.gatewaysKnown.value} and on() ${ever(RECORD.gateways, T.gatewaysKnown)}`,
      ...timingAndSeverity(T.gatewaysKnown),
      summary: "Prometheus finds no gateways",
      description: `Prometheus has found ${TEMPLATE.value} gateways for ${T.gatewaysKnown.for}. Either their instance group is empty, or Google Cloud does not list its VMs. No alert on a gateway can fire meanwhile.`,
      dashboard: "operations",
    },
    {
      name: "GatewayDown",
      expr: `${up} == ${T.gatewayDown.value}`,
      ...timingAndSeverity(T.gatewayDown),
      summary: `Gateway ${TEMPLATE.gateway} does not answer`,
      description: `up is ${TEMPLATE.value}: ${TEMPLATE.gateway} has not answered Prometheus for ${T.gatewayDown.for}, and autohealing has not replaced its VM.`,
      dashboard: "operations",
    },
    {
      name: "RestartLoop",
      expr: restarts(up),
      ...timingAndSeverity(T.restarts),
      summary: `Gateway ${TEMPLATE.gateway} keeps restarting`,
      description: `${TEMPLATE.gateway} has restarted ${TEMPLATE.value} times in ${T.restarts.window}. Every restart disconnects all of its clients.`,
      dashboard: "operations",
    },
    {
      name: "DrainStuck",
      expr: `${METRIC.draining} > ${T.draining.value}`,
      ...timingAndSeverity(T.draining),
      summary: `Gateway ${TEMPLATE.gateway} does not finish its drain`,
      description: `ws_draining has been ${TEMPLATE.value} on ${TEMPLATE.gateway} for ${T.draining.for}: the gateway accepts no clients, and has not stopped.`,
      dashboard: "operations",
    },
    {
      name: "AutoscalingEvent",
      expr: `${RECORD.gateways} != ${RECORD.gateways} offset ${T.autoscaling.window}`,
      ...timingAndSeverity(T.autoscaling),
      summary: "The number of gateways has changed",
      description: `There are ${TEMPLATE.value} gateways now. ${T.autoscaling.window} ago their number was different.`,
      dashboard: "operations",
    },
    {
      name: "CapacityNearlyFull",
      expr: `${METRIC.capacityRatio} > ${T.capacity.value}`,
      ...timingAndSeverity(T.capacity),
      summary: `Gateway ${TEMPLATE.gateway} is nearly full`,
      description: `${TEMPLATE.percentage} of the ${maxConnections} connections that ${TEMPLATE.gateway} accepts are in use (alert threshold: ${percent(T.capacity.value)}). A full gateway refuses clients.`,
      dashboard: "capacity",
    },
  ];
}

/**
 * Query that has a result if the record was above the threshold at any time in the window. Prevents alerts
 * before the first gateway of a deployment has run.
 */
function ever(record: string, { value, window }: { value: number; window: string }): string {
  return `max_over_time(${record}[${window}]) > ${value}`;
}

/**
 * Counts restarts in two ways, because a process that lives for seconds is often missed by scrapes:
 * `resets()` of a counter sees too little then, so changes of `up` count as well.
 */
function restarts(up: string): string {
  const { value, window } = T.restarts;
  const byCounter = `resets(${OTHER_METRIC.cpuSeconds}{job="${JOB.gateway}"}[${window}]) > ${value}`;
  const oftenDown = `avg_over_time(${up}[${window}]) < ${MOSTLY_UP}`;
  return `${byCounter} or ceil(changes(${up}[${window}]) / 2) > ${value} and ${oftenDown}`;
}

function loadAlerts(): Alert[] {
  return [
    {
      name: "HighCpu",
      expr: `${METRIC.cpuUsage} > ${T.cpu.value}`,
      ...timingAndSeverity(T.cpu),
      summary: `Gateway ${TEMPLATE.gateway} is short of CPU`,
      description: `${TEMPLATE.gateway} uses ${TEMPLATE.value}% of its CPU limit (alert threshold: ${T.cpu.value}%). The gateway refuses new clients and reads the stream more slowly.`,
      dashboard: "operations",
    },
    {
      name: "HighMemory",
      expr: `${RECORD.instanceMemory} > ${T.memory.value}`,
      ...timingAndSeverity(T.memory),
      summary: `Gateway ${TEMPLATE.gateway} is short of memory`,
      description: `${TEMPLATE.gateway} uses ${TEMPLATE.percentage} of its memory limit (alert threshold: ${percent(T.memory.value)}). The gateway refuses new clients. A little above 100 % the system kills the gateway.`,
      dashboard: "operations",
    },
    {
      name: "EventLoopLag",
      expr: `${OTHER_METRIC.eventLoopLag}{job="${JOB.gateway}"} > ${T.eventLoopLag.value}`,
      ...timingAndSeverity(T.eventLoopLag),
      summary: `Gateway ${TEMPLATE.gateway} has a slow event loop`,
      description: `The event loop of ${TEMPLATE.gateway} lags by ${TEMPLATE.duration} (99th percentile, alert threshold: ${T.eventLoopLag.value} s). Every message waits for the event loop.`,
      dashboard: "operations",
    },
    {
      name: "ConnectionsRejected",
      expr: connectionsRejected(),
      ...timingAndSeverity(T.rejections),
      summary: "Gateways refuse valid clients (reason: {{ $labels.reason }})",
      description: `Gateways refuse ${TEMPLATE.rate} connections a second for the reason {{ $labels.reason }}. The clients did nothing wrong.`,
      dashboard: "operations",
    },
    {
      name: "ClientsRejected",
      expr: clientsRejected(),
      ...timingAndSeverity(T.clientRejections),
      summary: "Many clients are refused because of what they send",
      description: `${TEMPLATE.percentage} of all connection attempts are refused because of their token, origin, path or number of connections (alert threshold: ${percent(T.clientRejections.value)}). Usual causes: wrong signing keys or a broken page.`,
      dashboard: "operations",
    },
  ];
}

function connectionsRejected(): string {
  const { value, window, bursts } = T.rejections;
  const refused = `${METRIC.connectionsRejected}{${LABEL.refusal}=~"${REFUSALS.ours.join("|")}"}`;
  const rate = (over: string) => `sum by (${LABEL.refusal}) (rate(${refused}[${over}]))`;
  return `${rate(window)} > ${value} or ${rate(bursts.window)} > ${bursts.value}`;
}

function clientsRejected(): string {
  const { value, minRate, window } = T.clientRejections;
  const rate = (metric: string) => `sum(rate(${metric}[${window}]))`;
  const refused = rate(`${METRIC.connectionsRejected}{${LABEL.refusal}=~"${REFUSALS.client.join("|")}"}`);
  const all = `(${rate(METRIC.connectionsTotal)} + ${rate(METRIC.connectionsRejected)})`;
  return `${refused} / ${all} > ${value} and ${refused} > ${minRate}`;
}

function deliveryAlerts(): Alert[] {
  return [
    {
      name: "HighDropRate",
      expr: `${RECORD.instanceDropRatio} > ${T.dropRate.value}`,
      ...timingAndSeverity(T.dropRate),
      summary: `Gateway ${TEMPLATE.gateway} drops messages`,
      description: `${TEMPLATE.gateway} drops ${TEMPLATE.percentage} of its deliveries (alert threshold: ${percent(T.dropRate.value)}).`,
      dashboard: "operations",
    },
    {
      name: "HighLatency",
      expr: `${RECORD.instanceLatency}{quantile="0.99"} > ${T.latency.value}`,
      ...timingAndSeverity(T.latency),
      summary: `Gateway ${TEMPLATE.gateway} delivers messages late`,
      description: `A message takes ${TEMPLATE.duration} from publishing to the write into the socket on ${TEMPLATE.gateway} (99th percentile, alert threshold: ${T.latency.value} s).`,
      dashboard: "operations",
    },
  ];
}
