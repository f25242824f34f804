import type { MonitoringOptions } from "../options.ts";
import { capacityTopic } from "./capacity.ts";
import { capacityTestTopic } from "./capacity-test.ts";
import { dashboardJson } from "./frame.ts";
import { logsTopic } from "./logs.ts";
import { natsTopic } from "./nats.ts";
import { operationsTopic } from "./operations.ts";

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
