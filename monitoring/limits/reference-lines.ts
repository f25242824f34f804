import { IN_TIME_SECONDS, SLOS } from "./slos.ts";
import { THRESHOLDS } from "./thresholds.ts";

/**
 * Lines that dashboards draw at values without an alert: measured or configured values at which a person
 * should start to think.
 */
export const REFERENCE_LINES = {
  /**
   * Seconds from publishing to the write into the socket within which the latency objective counts a message
   * as in time.
   */
  inTime: { value: IN_TIME_SECONDS, unit: "s" },
  /** Share of the connection attempts that the connection objective allows to be refused. */
  connectionErrors: { value: round(1 - SLOS.connections.objective), unit: "percentunit" },
  /** Share of the deliveries that the latency objective allows to be late. */
  latencyErrors: { value: round(1 - SLOS.latency.objective), unit: "percentunit" },
  /** Share of the month's error budget that is left. Below this value the team takes no risks. */
  budgetLeft: { value: 0.1, unit: "percentunit" },
  /**
   * For values that must be above 0: open connections, messages in the stream, a gateway's connection to
   * NATS.
   */
  present: { value: 0, unit: "short" },
  /** Firing alerts. */
  firing: { value: 0, unit: "short" },
  /** Log lines of level error and worse. */
  logErrors: { value: 0, unit: "short" },
  /** Log lines of gateways that were lost. */
  logLinesLost: { value: 0, unit: "short" },
  /**
   * Deliveries a second of one gateway: 75 % of 1.9 cores (above that the gateway refuses clients) divided by
   * 14 µs for one delivery. See docs/performance.md.
   */
  deliveries: { value: 100_000, unit: "short" },
  /** Messages in one write of a gateway that never has two messages for a client at the same time. */
  messagesInWrite: { value: 1, unit: "short" },
  /** Bytes a second of one gateway: 80 % of the 4 Gbit/s that an e2-standard-2 may send. */
  bytesSent: { value: 400_000_000, unit: "bytes" },
  /** Share of all cores of a machine. Above this value programs wait for CPU. */
  machineCpu: { value: 0.9, unit: "percentunit" },
  /** Open files of a gateway's container. */
  openFiles: { value: 200_000, unit: "short" },
  /** Changes of a throttle level a second. Above this value many clients cannot keep up. */
  throttleChanges: { value: 1, unit: "short" },
  /** Share of its time that a process collects garbage. Above this value messages wait for it. */
  garbageCollection: { value: 0.1, unit: "percentunit" },
  /**
   * New connections a second that one gateway must accept after another gateway has failed. See
   * docs/performance.md.
   */
  connects: { value: 500, unit: "short" },
  /**
   * Share of the connections that is throttled. A few clients have bad networks; above this part the cause is
   * probably the gateway.
   */
  throttled: { value: 0.05, unit: "percentunit" },
  /** Messages a second that a gateway reads: the default of WS_MAX_NATS_RATE. */
  streamRead: { value: 1000, unit: "short" },
  /** Bytes of memory of one connection after compressed traffic. See docs/performance.md. */
  connectionMemory: { value: 16_384, unit: "bytes" },
  /** Seconds of CPU of one delivery: a plain `ws.send` takes 13 to 18 µs. See docs/performance.md. */
  deliveryCpu: { value: 0.00002, unit: "s" },
  /**
   * Days until the largest allowed fleet is full. More machines need more quota, and Google needs weeks to
   * grant quota.
   */
  daysLeft: { value: 28, unit: "short" },
  /** Weekly growth of the peak as a share of the peak: at this rate the peak doubles within four weeks. */
  weeklyGrowth: { value: 0.2, unit: "percentunit" },
  /** Connections of one NATS server: the server's default of max_connections. */
  natsConnections: { value: 65_536, unit: "short" },
  /** Events in the publisher's queue, and their bytes: the defaults of maxQueueEvents and maxQueueBytes. */
  publisherQueue: { value: 10_000, unit: "short" },
  publisherQueueBytes: { value: 16_777_216, unit: "bytes" },
  /** Bytes of memory of one NATS server: three quarters of an e2-small. */
  natsMemory: { value: 1_500_000_000, unit: "bytes" },
} as const;

/** All values at which a dashboard may draw a line, by name: thresholds of alerts and reference lines. */
export const LIMITS = { ...THRESHOLDS, ...REFERENCE_LINES };

export type LimitName = keyof typeof LIMITS;

/** Removes the error of floating point numbers: 1 - 0.999 is not exactly 0.001. */
function round(value: number): number {
  return Number(value.toFixed(6));
}
