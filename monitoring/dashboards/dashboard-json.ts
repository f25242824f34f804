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

/** A dashboard without what all of them share. */
export interface Dashboard {
  name: DashboardName;
  description: string;
  /** What is on the screen at first, for example `now-1h`. */
  from: string;
  variables?: Builder<VariableModel>[];
  annotations?: Builder<AnnotationQuery>[];
  /** From the top; what matters most stands first. */
  rows: { title: string; panels: Builder<Panel>[] }[];
}

export const TITLES: Record<DashboardName, string> = {
  operations: "Real-time operations",
  capacity: "Capacity planning",
  nats: "NATS",
  capacityTest: "Capacity test",
  logs: "Logs",
};

/** Dashboards with the variable of gateways. That of the logs is typed in, and knows no list and no "all". */
const BY_GATEWAY: readonly DashboardName[] = ["operations", "nats", "capacityTest"];
const COLUMNS = 24;

/** A dashboard as Grafana's provisioning reads it: JSON, the same bytes for the same topic. */
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
  return `${JSON.stringify(board.build(), inSight, 2)}\n`;
}

/** The builders hide links and annotations in a menu, and cannot be told not to. */
function inSight(key: string, value: unknown): unknown {
  return key === "placement" && value === DashboardLinkPlacement.InControlsMenu ? undefined : value;
}

/** To the other dashboards, with the same time and gateways, and to the runbook. */
function links(self: DashboardName, runbookUrl: string): DashboardLinkBuilder[] {
  const others = (Object.keys(TITLES) as DashboardName[]).filter((name) => name !== self);
  return [
    ...others.map((name) =>
      new DashboardLinkBuilder(TITLES[name])
        .type(DashboardLinkType.Link)
        .icon("dashboard")
        .url(`/d/${DASHBOARD_UIDS[name]}`)
        .keepTime(true)
        .includeVars(BY_GATEWAY.includes(self) && BY_GATEWAY.includes(name)),
    ),
    new DashboardLinkBuilder("Runbook")
      .type(DashboardLinkType.Link)
      .icon("doc")
      .tooltip("What each alert means and what to do")
      .url(runbookUrl)
      .targetBlank(true),
  ];
}
