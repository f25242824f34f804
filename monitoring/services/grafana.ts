import { DATASOURCE_UIDS } from "../dashboards/uids.ts";
import type { MonitoringOptions } from "../options.ts";
import { localAddress } from "./ports.ts";
import { yaml } from "./yaml.ts";

/** Where the files of the bucket are on the monitoring VM; mounted at the same place on a laptop. */
export const CONFIG_FOLDER = "/var/lib/odin/config/current";

/** Grafana: whom it asks, and where its dashboards are. Nobody edits either in its pages. */
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
          jsonData: { httpMethod: "POST", timeInterval: "15s" }, // how often it is scraped: the least that `$__rate_interval` goes by
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
