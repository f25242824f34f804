/** Ids of the dashboards, which are part of their URLs. */
export const DASHBOARD_UIDS = {
  operations: "odin-operations",
  capacity: "odin-capacity",
  nats: "odin-nats",
  capacityTest: "odin-capacity-test",
  logs: "odin-logs",
} as const;

export type DashboardName = keyof typeof DASHBOARD_UIDS;

/** URL of a dashboard. @param grafanaUrl without a slash at its end */
export function dashboardUrl(grafanaUrl: string, name: DashboardName): string {
  return `${grafanaUrl}/d/${DASHBOARD_UIDS[name]}`;
}

/** Ids of Grafana's data sources, which panels refer to. */
export const DATASOURCE_UIDS = {
  prometheus: "prometheus",
  loki: "loki",
  alertmanager: "alertmanager",
} as const;
