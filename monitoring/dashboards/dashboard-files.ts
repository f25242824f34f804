import type { MonitoringOptions } from "../options.ts";
import { capacityDashboard } from "./capacity.ts";
import { capacityTestDashboard } from "./capacity-test.ts";
import { dashboardJson } from "./dashboard-json.ts";
import { logsDashboard } from "./logs.ts";
import { natsDashboard } from "./nats.ts";
import { operationsDashboard } from "./operations.ts";

/** Grafana's dashboards as JSON, sorted by path. The same options give the same bytes. */
export function dashboardFiles(options: MonitoringOptions): Record<string, string> {
  return {
    "grafana/dashboards/capacity-test.json": dashboardJson(capacityTestDashboard(options), options),
    "grafana/dashboards/capacity.json": dashboardJson(capacityDashboard(options), options),
    "grafana/dashboards/logs.json": dashboardJson(logsDashboard(), options),
    "grafana/dashboards/nats.json": dashboardJson(natsDashboard(options), options),
    "grafana/dashboards/operations.json": dashboardJson(operationsDashboard(options), options),
  };
}
