import type { MonitoringOptions } from "../options.ts";

/** A deployment with all parts that can be monitored. */
export const SAMPLE: MonitoringOptions = {
  kind: "service",
  stack: "prod",
  project: "my-project",
  region: "us-central1",
  zones: ["us-central1-a", "us-central1-b"],
  regions: ["us-central1", "europe-west1"],
  natsMonitoring: ["10.10.0.4:8222", "10.10.0.5:8222"],
  natsCredentialsEnd: 100 * 86_400, // 100 days after the first sample of promtool's tests
  lokiUrl: "http://127.0.0.1:3100",
  logBucket: "my-project-odin-prod-logs",
  memoryLimitBytes: 1_000_000_000,
  maxConnections: 10_000,
  monthlyPrices: {
    gateway: 50,
    base: 70,
    traffic: [
      { fromGib: 0, usd: 0.2 },
      { fromGib: 1000, usd: 0.1 },
    ],
  },
  receivers: {},
  runbookUrl: "https://example.com/docs/runbook.md",
  grafanaUrl: "http://localhost:3010",
  domain: "live.example.com",
};
