import { MappingType } from "@grafana/grafana-foundation-sdk/dashboard";
import { METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import { fleetAnnotations } from "./annotations.ts";
import { costPanels, FORECAST, peakIn } from "./cost-panels.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { graph, number } from "./panels.ts";
import { choiceVariable, textVariable } from "./variables.ts";

const DAY = 24 * 3600;
const WEEK = 7 * DAY;
/** A prediction of this many days or more is shown as "not in sight". */
const NOT_IN_SIGHT_DAYS = 3650;
/** Lowest growth in connections a second, so that no division by zero happens. */
const MIN_GROWTH = 1e-9;

/** The dashboard of free capacity, its growth and its cost. */
export function capacityDashboard(options: MonitoringOptions): Dashboard {
  return {
    name: "capacity",
    description:
      "Free capacity, how long it will last, and what the fleet costs. Type the autoscaler's maximum number of gateways into the field above: Grafana does not know the autoscaler's setting.",
    from: "now-7d",
    variables: [
      textVariable(
        "max_gateways",
        "Maximum number of gateways",
        "The autoscaler's maxInstances, as `pulumi config get maxInstances` prints it",
        String(fleetMaximum(options)),
      ),
      choiceVariable("growth_window", "Growth over", "Period over which growth is measured", [
        "7d",
        "1d",
        "14d",
        "28d",
      ]),
    ],
    annotations: fleetAnnotations(),
    rows: [
      { title: "Used capacity", panels: usagePanels(options) },
      { title: "Growth", panels: growthPanels(options) },
      { title: "Cost", panels: costPanels(options) },
    ],
  };
}

/**
 * First value of the field for the maximum: the default of the configuration key maxInstances. Only kind
 * `service` has an autoscaler.
 */
function fleetMaximum({ kind, gatewayTargets = [] }: MonitoringOptions): number {
  if (kind === "capacity-test") return 1;
  return kind === "local" ? Math.max(gatewayTargets.length, 1) : 5;
}

/** Query for the connections that the largest allowed fleet accepts. */
function largestFleetLimit({ maxConnections }: MonitoringOptions): string {
  return `($max_gateways * ${maxConnections})`;
}

function usagePanels(options: MonitoringOptions) {
  return [
    number({
      title: "Capacity used, current fleet",
      description:
        "Open connections divided by the connections that the current gateways accept. The autoscaler adds gateways.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: RECORD.connectionsUsed }],
      width: 6,
    }),
    number({
      title: "Capacity used, largest fleet",
      description:
        "Peak connections of the last hour divided by the connections that the maximum number of gateways accepts. Only a higher maximum adds capacity.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: `${RECORD.connectionsPeak} / ${largestFleetLimit(options)}` }],
      width: 6,
    }),
    number({
      title: "Gateways, share of maximum",
      description: "Running gateways divided by the maximum number of gateways.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: `${RECORD.gateways} / $max_gateways` }],
      width: 6,
    }),
    number({
      title: "Busiest gateway, CPU",
      description:
        "CPU use of the busiest gateway, in percent of WS_CPU_LIMIT. A gateway can be short of CPU long before its connections are full.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [{ expr: `max(${METRIC.cpuUsage})` }],
      decimals: 0,
      width: 6,
    }),
    graph({
      title: "Capacity used",
      description:
        "Open connections divided by the accepted connections: of the fullest gateway, of the current fleet, and of the largest fleet.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [
        { expr: `max(${METRIC.capacityRatio})`, legend: "fullest gateway" },
        { expr: RECORD.connectionsUsed, legend: "current fleet" },
        { expr: `${RECORD.connections} / ${largestFleetLimit(options)}`, legend: "largest fleet" },
      ],
    }),
    graph({
      title: "CPU",
      description:
        "CPU use in percent of WS_CPU_LIMIT: of the busiest gateway, and the average. The autoscaler uses another measure, the average CPU of the VMs.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [
        { expr: `max(${METRIC.cpuUsage})`, legend: "busiest" },
        { expr: `avg(${METRIC.cpuUsage})`, legend: "average" },
      ],
    }),
    graph({
      title: "Memory",
      description: "Share of WS_MEMORY_LIMIT in use: of the gateway that uses most, and the average.",
      unit: "percentunit",
      line: { limit: "memory", bad: "above" },
      queries: [
        { expr: `max(${RECORD.instanceMemory})`, legend: "highest" },
        { expr: `avg(${RECORD.instanceMemory})`, legend: "average" },
      ],
    }),
  ];
}

function growthPanels(options: MonitoringOptions) {
  const growth = `deriv(${RECORD.connectionsPeak}[$growth_window])`; // connections a second
  const left = `clamp_min(${largestFleetLimit(options)} - ${RECORD.connectionsPeak}, 0)`;
  const secondsLeft = `clamp_max(${left} / clamp_min(${growth}, ${MIN_GROWTH}), ${NOT_IN_SIGHT_DAYS * DAY})`;
  return [
    number({
      title: "Days until full",
      description:
        "Days until the hourly peak reaches the capacity of the largest fleet, if the peak keeps growing at the same rate. More machines need more quota: ask Google early.",
      unit: "d",
      line: { limit: "daysLeft", bad: "below" },
      queries: [{ expr: `(${secondsLeft}) / ${DAY}` }],
      mappings: [
        {
          type: MappingType.RangeToText,
          options: { from: NOT_IN_SIGHT_DAYS, to: null, result: { text: "not in sight", index: 0 } },
        },
      ],
      width: 6,
      height: 8,
    }),
    number({
      title: "Date when full",
      description:
        "The date on which the largest fleet will be full. A date ten years from now means that the peak does not grow.",
      unit: "dateTimeAsIso",
      line: "date",
      queries: [{ expr: `(time() + (${secondsLeft})) * 1000` }],
      width: 6,
      height: 8,
    }),
    number({
      title: "Growth per week",
      description:
        "Growth of the hourly peak in a week as a share of the peak, measured over the chosen period.",
      unit: "percentunit",
      line: { limit: "weeklyGrowth", bad: "above" },
      queries: [{ expr: `${growth} * ${WEEK} / clamp_min(${RECORD.connectionsPeak}, 1)` }],
      width: 4,
      height: 8,
    }),
    graph({
      title: "Peak and prediction",
      description:
        "The hourly peak divided by the capacity of the largest fleet: now, and as predicted at that time for one week and four weeks later.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [
        { expr: `${RECORD.connectionsPeak} / ${largestFleetLimit(options)}`, legend: "now" },
        ...[WEEK, FORECAST].map((ahead) => ({
          expr: `${peakIn(ahead)} / ${largestFleetLimit(options)}`,
          legend: `in ${ahead / WEEK} weeks`.replace("1 weeks", "1 week"),
        })),
      ],
    }),
  ];
}
