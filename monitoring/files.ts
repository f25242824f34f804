import { dashboardFiles } from "./dashboards/dashboard-files.ts";
import type { MonitoringOptions } from "./options.ts";
import { alertmanagerFiles } from "./services/alertmanager.ts";
import { alloyFiles } from "./services/alloy.ts";
import { grafanaFiles } from "./services/grafana.ts";
import { lokiFiles } from "./services/loki.ts";
import { prometheusFiles } from "./services/prometheus.ts";

/**
 * All files of the monitoring VM and of the log shippers, sorted by path: exactly the content of the
 * deployment's bucket.
 */
export function monitoringFiles(options: MonitoringOptions): Record<string, string> {
  const files = {
    ...prometheusFiles(options),
    ...alertmanagerFiles(options),
    ...lokiFiles(options),
    ...grafanaFiles(options),
    ...dashboardFiles(options),
    ...alloyFiles(options),
  };
  return Object.fromEntries(Object.entries(files).sort(([one], [other]) => (one < other ? -1 : 1)));
}
