import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import {
  type AnnotationQuery,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkPlacement,
  DashboardLinkType,
  type Panel,
  RowBuilder,
  type VariableModel,
} from "@grafana/grafana-foundation-sdk/dashboard";
import type { MonitoringOptions } from "../options.ts";
import { DASHBOARD_UIDS, type DashboardName } from "./uids.ts";

/** The parts of a dashboard that differ from the other dashboards. */
export interface Dashboard {
  name: DashboardName;
  description: string;
  /** Begin of the time range when the dashboard is opened, for example `now-1h`. */
  from: string;
  variables?: Builder<VariableModel>[];
  annotations?: Builder<AnnotationQuery>[];
  /** Rows from top to bottom: the most important row comes first. */
  rows: { title: string; panels: Builder<Panel>[] }[];
}

const TITLES: Record<DashboardName, string> = {
  operations: "Real-time operations",
  capacity: "Capacity planning",
  nats: "NATS",
  capacityTest: "Capacity test",
  logs: "Logs",
};

/**
 * Dashboards whose variable `instance` is a list of gateways. On the dashboard of logs `instance` is a text
 * field.
 */
const WITH_GATEWAY_LIST: readonly DashboardName[] = ["operations", "nats", "capacityTest"];
const COLUMNS = 24;

/** The JSON of a dashboard, as Grafana's provisioning reads it. The same dashboard gives the same bytes. */
export function dashboardJson(
  { name, description, from, variables = [], annotations = [], rows }: Dashboard,
  { stack, runbookUrl }: Pick<MonitoringOptions, "stack" | "runbookUrl">,
): string {
  const board = new DashboardBuilder(`${TITLES[name]} (${stack})`)
    .uid(DASHBOARD_UIDS[name])
    .description(description)
    .tags(["odin", stack])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .timezone("browser")
    .time({ from, to: "now" })
    .refresh("30s")
    .variables(variables)
    .annotations(annotations)
    .links(links(name, runbookUrl));
  let id = 1;
  let y = 0;
  for (const { title, panels } of rows) {
    board.withRow(new RowBuilder(title).id(id++).gridPos({ x: 0, y: y++, w: COLUMNS, h: 1 }));
    let x = 0;
    let height = 0;
    for (const panel of panels.map((builder) => builder.build())) {
      const { w = COLUMNS, h = 1 } = panel.gridPos ?? {};
      if (x + w > COLUMNS) {
        x = 0;
        y += height;
        height = 0;
      }
      panel.id = id++;
      panel.gridPos = { x, y, w, h };
      board.withPanel({ build: () => panel });
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return `${JSON.stringify(board.build(), outsideOfMenu, 2)}\n`;
}

/** Removes the setting by which the SDK's builders always hide links and annotations in a menu. */
function outsideOfMenu(key: string, value: unknown): unknown {
  return key === "placement" && value === DashboardLinkPlacement.InControlsMenu ? undefined : value;
}

/** Links to the other dashboards, which keep the time range and the chosen gateways, and to the runbook. */
function links(self: DashboardName, runbookUrl: string): DashboardLinkBuilder[] {
  const others = (Object.keys(TITLES) as DashboardName[]).filter((name) => name !== self);
  return [
    ...others.map((name) =>
      new DashboardLinkBuilder(TITLES[name])
        .type(DashboardLinkType.Link)
        .icon("dashboard")
        .url(`/d/${DASHBOARD_UIDS[name]}`)
        .keepTime(true)
        .includeVars(WITH_GATEWAY_LIST.includes(self) && WITH_GATEWAY_LIST.includes(name)),
    ),
    new DashboardLinkBuilder("Runbook")
      .type(DashboardLinkType.Link)
      .icon("doc")
      .tooltip("What each alert means and what to do about it")
      .url(runbookUrl)
      .targetBlank(true),
  ];
}
