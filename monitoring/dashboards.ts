import { capacityTopic } from "./dashboard-capacity.ts";
import { capacityTestTopic } from "./dashboard-capacity-test.ts";
import { dashboardJson } from "./dashboard-frame.ts";
import { logsTopic } from "./dashboard-logs.ts";
import { natsTopic } from "./dashboard-nats.ts";
import { operationsTopic } from "./dashboard-operations.ts";
import type { MonitoringOptions } from "./options.ts";

/** Grafana's dashboards as JSON by path, `grafana/dashboards/TOPIC.json`, sorted: the same options give the same bytes. */
export function dashboards(options: MonitoringOptions): Record<string, string> {
  return {
    "grafana/dashboards/capacity-test.json": dashboardJson(capacityTestTopic(options), options),
    "grafana/dashboards/capacity.json": dashboardJson(capacityTopic(options), options),
    "grafana/dashboards/logs.json": dashboardJson(logsTopic(), options),
    "grafana/dashboards/nats.json": dashboardJson(natsTopic(options), options),
    "grafana/dashboards/operations.json": dashboardJson(operationsTopic(options), options),
  };
}
