import { PUBLISHER_METRIC } from "../limits/metrics.ts";
import { QUANTILES } from "../limits/recording-rules.ts";
import { type MonitoringOptions, runsPublisher } from "../options.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { graph } from "./panels.ts";

/** The row on the publisher's service, where the deployment runs the service. */
export function publisherRows(options: MonitoringOptions): Dashboard["rows"] {
  return runsPublisher(options) ? [{ title: "Publisher", panels: publisherPanels() }] : [];
}

function publisherPanels() {
  const rate = (metric: string) => `rate(${metric}[$__rate_interval])`;
  return [
    graph({
      title: "Time until events are stored",
      description:
        "Time from the publishing of an event to the acknowledgement of the stream: quantiles. The latency of the gateways begins where this time ends.",
      unit: "s",
      line: { limit: "publisherLatency", bad: "above" },
      queries: QUANTILES.map((quantile) => ({
        expr: `histogram_quantile(${quantile}, sum by (le) (${rate(`${PUBLISHER_METRIC.storeSeconds}_bucket`)}))`,
        legend: `p${Number(quantile) * 100}`,
      })),
      logarithmic: true,
    }),
    graph({
      title: "Published and stored",
      description:
        "Events a second that the publisher accepts and that the stream stores, and the rate that is set. The market adds its trending list to that rate. Published below the rate: the publisher is short of CPU.",
      unit: "mps",
      line: { limit: "streamRate", bad: "below" },
      queries: [
        { expr: `sum(${rate(PUBLISHER_METRIC.published)})`, legend: "published" },
        { expr: `sum(${rate(PUBLISHER_METRIC.stored)})`, legend: "stored" },
        { expr: `sum(${PUBLISHER_METRIC.rate})`, legend: "rate that is set" },
      ],
    }),
    graph({
      title: "Queue of the publisher",
      description:
        "Events that are not stored yet, and the part of them that is in flight. Above the line the queue is full, and events are left out. An alert fires when half of the queue is in use.",
      unit: "short",
      line: { limit: "publisherQueue", bad: "above" },
      queries: [
        { expr: `sum(${PUBLISHER_METRIC.waiting})`, legend: "waiting" },
        { expr: `sum(${PUBLISHER_METRIC.inFlight})`, legend: "in flight" },
      ],
    }),
    graph({
      title: "Bytes in the queue of the publisher",
      description: "Bytes of the events that are not stored yet. Above the line the queue is full.",
      unit: "bytes",
      line: { limit: "publisherQueueBytes", bad: "above" },
      queries: [{ expr: `sum(${PUBLISHER_METRIC.waitingBytes})`, legend: "bytes" }],
    }),
    graph({
      title: "Refused, left out, sent again",
      description:
        "Events a second. refused: NATS will never take these events; left out: the queue was full; sent again: no acknowledgement came; stored before: the first acknowledgement was lost.",
      unit: "mps",
      line: { limit: "publisherLoss", bad: "above" },
      queries: [
        { expr: `sum(${rate(PUBLISHER_METRIC.refused)})`, legend: "refused" },
        { expr: `sum(${rate(PUBLISHER_METRIC.leftOut)})`, legend: "left out" },
        { expr: `sum(${rate(PUBLISHER_METRIC.sentAgain)})`, legend: "sent again" },
        { expr: `sum(${rate(PUBLISHER_METRIC.duplicates)})`, legend: "stored before" },
      ],
    }),
    graph({
      title: "Publisher connected",
      description: "1 while the publisher is connected to NATS. At 0 its events wait in the queue.",
      unit: "short",
      line: { limit: "publisherConnected", bad: "below" },
      queries: [{ expr: PUBLISHER_METRIC.connected, legend: "{{instance}}" }],
    }),
    graph({
      title: "Credentials of the publisher",
      description:
        "Time until NATS refuses the publisher's credentials. Empty: they do not expire. Replace the credentials before the line is reached.",
      unit: "s",
      line: { limit: "publisherCredentials", bad: "below" },
      queries: [{ expr: `(${PUBLISHER_METRIC.credentialsEnd} > 0) - time()`, legend: "{{instance}}" }],
    }),
  ];
}
