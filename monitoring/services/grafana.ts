import { DATASOURCE_UIDS } from "../dashboards/uids.ts";
import type { MonitoringOptions } from "../options.ts";
import { localAddress } from "./ports.ts";
import { yaml } from "./yaml.ts";

/** Folder of the configuration files on the monitoring VM, and in the containers on a laptop. */
export const CONFIG_FOLDER = "/var/lib/odin/config/current";

/**
 * Provisioning of Grafana: its data sources and the folder of its dashboards. Nobody can edit them in
 * Grafana's pages.
 */
export function grafanaFiles({ lokiUrl, ports }: MonitoringOptions): Record<string, string> {
  const url = (name: "prometheus" | "alertmanager") => `http://${localAddress(name, ports)}`;
  const { prometheus, loki, alertmanager } = DATASOURCE_UIDS;
  const common = { access: "proxy", editable: false };
  return {
    "grafana/provisioning/datasources/odin.yml": yaml({
      apiVersion: 1,
      prune: true,
      datasources: [
        {
          name: "Prometheus",
          uid: prometheus,
          type: "prometheus",
          url: url("prometheus"),
          isDefault: true,
          // timeInterval is the scrape interval, from which Grafana computes `$__rate_interval`.
          jsonData: { httpMethod: "POST", timeInterval: "15s" },
          ...common,
        },
        { name: "Loki", uid: loki, type: "loki", url: lokiUrl, ...common },
        {
          name: "Alertmanager",
          uid: alertmanager,
          type: "alertmanager",
          url: url("alertmanager"),
          jsonData: { implementation: "prometheus" },
          ...common,
        },
      ],
    }),
    "grafana/provisioning/dashboards/odin.yml": yaml({
      apiVersion: 1,
      providers: [
        {
          name: "odin",
          type: "file",
          allowUiUpdates: false,
          updateIntervalSeconds: 30,
          options: { path: `${CONFIG_FOLDER}/grafana/dashboards`, foldersFromFilesStructure: true },
        },
      ],
    }),
  };
}
