import { PUBLISHER_METRIC as METRIC } from "../limits/metrics.ts";
import { REFERENCE_LINES } from "../limits/reference-lines.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import { type MonitoringOptions, runsPublisher } from "../options.ts";
import { type Alert, percent, TEMPLATE, timingAndSeverity } from "./alert.ts";

/** Alerts on the publisher's service, where the deployment runs the service. */
export function publisherAlerts(options: MonitoringOptions): Alert[] {
  if (!runsPublisher(options)) return [];
  const publisher = "{{ $labels.instance }}";
  const lost = [METRIC.refused, METRIC.leftOut].map((name) => `rate(${name}[${T.publisherLoss.window}])`);
  const queue = [
    `${METRIC.waiting} / ${REFERENCE_LINES.publisherQueue.value}`,
    `${METRIC.waitingBytes} / ${REFERENCE_LINES.publisherQueueBytes.value}`,
  ].map((used) => `${used} > ${T.publisherQueueUse.value}`);
  return [
    {
      name: "PublisherDisconnected",
      expr: `${METRIC.connected} <= ${T.publisherConnected.value}`,
      ...timingAndSeverity(T.publisherConnected),
      summary: `The publisher on ${publisher} is not connected to NATS`,
      description: `publisher_nats_connected is ${TEMPLATE.value} on ${publisher}: its events wait in the queue, and are lost when the queue is full.`,
      dashboard: "nats",
    },
    {
      name: "PublisherLosesEvents",
      expr: `${lost.join(" + ")} > ${T.publisherLoss.value}`,
      ...timingAndSeverity(T.publisherLoss),
      summary: `The publisher on ${publisher} loses events`,
      description: `Events a second that NATS refuses, or that find the publisher's queue full, on ${publisher}: ${TEMPLATE.rate}. No client gets these events.`,
      dashboard: "nats",
    },
    {
      name: "PublisherSlow",
      expr: `histogram_quantile(0.99, sum by (job, instance, le) (rate(${METRIC.storeSeconds}_bucket[${T.publisherLatency.window}]))) > ${T.publisherLatency.value}`,
      ...timingAndSeverity(T.publisherLatency),
      summary: `The stream stores the events of the publisher on ${publisher} late`,
      description: `1% of the events of ${publisher} are stored later than ${TEMPLATE.duration} after they were published (alert threshold: ${T.publisherLatency.value}s). Clients get them later still.`,
      dashboard: "nats",
    },
    {
      name: "PublisherQueueFilling",
      expr: queue.join(" or "),
      ...timingAndSeverity(T.publisherQueueUse),
      summary: `The queue of the publisher on ${publisher} is filling`,
      description: `${TEMPLATE.percentage} of the publisher's queue on ${publisher} is in use (alert threshold: ${percent(T.publisherQueueUse.value)}). When the queue is full, new events are lost.`,
      dashboard: "nats",
    },
    {
      name: "PublisherCredentialsExpiring",
      expr: `(${METRIC.credentialsEnd} > 0) - time() < ${T.publisherCredentials.value}`,
      ...timingAndSeverity(T.publisherCredentials),
      summary: `The credentials of the publisher on ${publisher} expire soon`,
      description: `The user with whom the publisher on ${publisher} connects to NATS expires in ${TEMPLATE.duration}. From then on the stream gets no events of this publisher.`,
      dashboard: "nats",
    },
  ];
}
