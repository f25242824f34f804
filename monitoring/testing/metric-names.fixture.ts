import { METRIC, OTHER_METRIC, PUBLISHER_METRIC } from "../limits/metrics.ts";
import { recordingRules } from "../limits/recording-rules.ts";
import { SAMPLE } from "./sample-options.fixture.ts";

/**
 * All names that a query may use: metrics of the gateway and of the publisher, other metrics, records, and
 * Prometheus's own `ALERTS`.
 */
export const KNOWN_METRICS: ReadonlySet<string> = new Set<string>([
  ...Object.values(METRIC),
  ...[
    METRIC.messageLatency,
    METRIC.broadcastDuration,
    METRIC.connectionDuration,
    METRIC.subscriptionsPerClient,
  ].flatMap((name) => [`${name}_bucket`, `${name}_count`]),
  ...Object.values(PUBLISHER_METRIC),
  `${PUBLISHER_METRIC.storeSeconds}_bucket`,
  ...Object.values(OTHER_METRIC),
  ...recordingRules(SAMPLE).flatMap(({ rules }) => rules.map(({ record }) => record)),
  "ALERTS",
]);

/** Names of the metrics in a query. */
export function metricsIn(expr: string): string[] {
  const bare = expr
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|ignoring)\s*\([^)]*\)/g, " ")
    .replaceAll(/\boffset\s+\w+|\b\d[\w.-]*/g, " ");
  return [...bare.matchAll(/[a-zA-Z_][\w:]*(?!\s*\(|[\w:])/g)]
    .map(([name]) => name)
    .filter((name) => !["or", "and", "unless", "bool", "group_left"].includes(name));
}
