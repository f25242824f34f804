import assert from "node:assert/strict";
import { test } from "node:test";
import { readFigures } from "./gateway-metrics.ts";

const TEXT = `# TYPE ws_connections_current gauge
ws_connections_current 12
ws_connections_rejected_total{reason="cpu"} 3
ws_connections_rejected_total{reason="path"} 4
ws_messages_sent_total{event="trade"} 1.5e+3
ws_messages_sent_total{event="social"} 1
ws_cpu_usage_percent 12.5
ws_memory_usage_bytes 1000
`;

test("adds up the series of a metric, and refuses a page that is not a gateway's", () => {
  assert.deepEqual(readFigures(TEXT), {
    ...{ connections: 12, sent: 1501, dropped: 0, rejected: 7 },
    ...{ cpuPercent: 12.5, memoryBytes: 1000 },
  });
  assert.throws(() => readFigures("up 1\n"), /no ws_connections_current/);
});
