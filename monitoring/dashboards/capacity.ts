import { MappingType } from "@grafana/grafana-foundation-sdk/dashboard";
import { METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { graph, number } from "./panels.ts";
import { choiceVariable, fleetAnnotations, textVariable } from "./variables.ts";

const DAY = 24 * 3600;
const WEEK = 7 * DAY;
const HOURS_A_MONTH = 730;
/** As far as the fleet of the future is looked at, seconds. */
const AHEAD = 4 * WEEK;
/** Days beyond which a prediction says nothing. */
const NEVER = 3650;
/** Connections a second: growth that never ends up anywhere. */
const NO_GROWTH = 1e-9;

/** How much room there is, for how long, and what it costs. */
export function capacityDashboard(options: MonitoringOptions): Dashboard {
  return {
    name: "capacity",
    description:
      "Room that is left, how long it lasts, what it costs. The most gateways that may run is typed in above: it is the autoscaler's setting, and changes there without a change here.",
    from: "now-7d",
    variables: [
      textVariable(
        "max_gateways",
        "Maximum of gateways",
        "The autoscaler's maxInstances: what `pulumi config get maxInstances` prints",
        String(fleetMaximum(options)),
      ),
      choiceVariable("growth_window", "Growth over", "Time from which growth is taken", [
        "7d",
        "1d",
        "14d",
        "28d",
      ]),
    ],
    annotations: fleetAnnotations(),
    rows: [
      { title: "Room", panels: roomPanels(options) },
      { title: "Growth", panels: growthPanels(options) },
      { title: "Cost", panels: costPanels(options) },
    ],
  };
}

/** What is typed in at the start: the default of the key maxInstances. Elsewhere nothing makes more gateways than there are. */
function fleetMaximum({ kind, gatewayTargets = [] }: MonitoringOptions): number {
  if (kind === "capacity-test") return 1;
  return kind === "local" ? Math.max(gatewayTargets.length, 1) : 5;
}

/** Connections of the largest fleet that may run. */
function most({ maxConnections }: MonitoringOptions): string {
  return `($max_gateways * ${maxConnections})`;
}

function roomPanels(options: MonitoringOptions) {
  return [
    number({
      title: "Room taken, fleet of now",
      description: "Part of the connections that today's gateways may have. The autoscaler makes more room.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: RECORD.connectionsUsed }],
      width: 6,
    }),
    number({
      title: "Room taken, largest fleet",
      description:
        "Part of the connections that all gateways may have which may run. Nothing makes more room but a larger maximum.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: `${RECORD.connectionsPeak} / ${most(options)}` }],
      width: 6,
    }),
    number({
      title: "Gateways of the maximum",
      description: "Part of the gateways that may run which do.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: `${RECORD.gateways} / $max_gateways` }],
      width: 6,
    }),
    number({
      title: "Busiest gateway, CPU",
      description:
        "Percent of WS_CPU_LIMIT. Gateways may be short of CPU long before they are full of connections.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [{ expr: `max(${METRIC.cpuUsage})` }],
      decimals: 0,
      width: 6,
    }),
    graph({
      title: "Connections by limit",
      description:
        "Part of each limit that is taken: of the fullest gateway, of the fleet of now, of the largest fleet.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [
        { expr: `max(${METRIC.capacityRatio})`, legend: "fullest gateway" },
        { expr: RECORD.connectionsUsed, legend: "fleet of now" },
        { expr: `${RECORD.connections} / ${most(options)}`, legend: "largest fleet" },
      ],
    }),
    graph({
      title: "CPU",
      description:
        "Percent of WS_CPU_LIMIT: of the busiest gateway, and on average, which is what the autoscaler looks at.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [
        { expr: `max(${METRIC.cpuUsage})`, legend: "busiest" },
        { expr: `avg(${METRIC.cpuUsage})`, legend: "average" },
      ],
    }),
    graph({
      title: "Memory",
      description: "Part of WS_MEMORY_LIMIT: of the gateway with most, and on average.",
      unit: "percentunit",
      line: { limit: "memory", bad: "above" },
      queries: [
        { expr: `max(${RECORD.instanceMemory})`, legend: "most" },
        { expr: `avg(${RECORD.instanceMemory})`, legend: "average" },
      ],
    }),
  ];
}

function growthPanels(options: MonitoringOptions) {
  const growth = `deriv(${RECORD.connectionsPeak}[$growth_window])`; // connections a second
  const left = `clamp_min(${most(options)} - ${RECORD.connectionsPeak}, 0)`;
  const secondsLeft = `clamp_max(${left} / clamp_min(${growth}, ${NO_GROWTH}), ${NEVER * DAY})`;
  return [
    number({
      title: "Days until all is full",
      description:
        "When the hourly peak reaches what the largest fleet may have, if it grows as it did. More machines take quota: ask early.",
      unit: "d",
      line: { limit: "daysLeft", bad: "below" },
      queries: [{ expr: `(${secondsLeft}) / ${DAY}` }],
      mappings: [
        {
          type: MappingType.RangeToText,
          options: { from: NEVER, to: null, result: { text: "not in sight", index: 0 } },
        },
      ],
      width: 6,
      height: 8,
    }),
    number({
      title: "Date of full",
      description: "The same as a date. Ten years from now: it does not grow.",
      unit: "dateTimeAsIso",
      line: "date",
      queries: [{ expr: `(time() + (${secondsLeft})) * 1000` }],
      width: 6,
      height: 8,
    }),
    number({
      title: "Growth in a week",
      description: "Part by which the hourly peak grows in a week, as over the chosen time.",
      unit: "percentunit",
      line: { limit: "weeklyGrowth", bad: "above" },
      queries: [{ expr: `${growth} * ${WEEK} / clamp_min(${RECORD.connectionsPeak}, 1)` }],
      width: 4,
      height: 8,
    }),
    graph({
      title: "Peak and prediction",
      description:
        "The hourly peak as a part of what the largest fleet may have: now, and in one and four weeks as predicted at that time.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [
        { expr: `${RECORD.connectionsPeak} / ${most(options)}`, legend: "now" },
        ...[WEEK, AHEAD].map((ahead) => ({
          expr: `${peakIn(ahead)} / ${most(options)}`,
          legend: `in ${ahead / WEEK} weeks`.replace("1 weeks", "1 week"),
        })),
      ],
    }),
  ];
}

/** Never less than nobody. */
function peakIn(seconds: number): string {
  return `clamp_min(predict_linear(${RECORD.connectionsPeak}[$growth_window], ${seconds}), 0)`;
}

function costPanels(options: MonitoringOptions) {
  const { gateway, base } = options.hourlyPrices;
  const month = (gateways: string) => `(${base} + ${gateways} * ${gateway}) * ${HOURS_A_MONTH}`;
  const growth = `${peakIn(AHEAD)} / clamp_min(${RECORD.connectionsPeak}, 1)`;
  // as densely as today's fleet; a gateway at least, and no more than may run
  const projected = `clamp(ceil(${RECORD.gateways} * ${growth}), 1, $max_gateways)`;
  const prices = `List prices: $${gateway} an hour for a gateway, $${base} for all the rest together; without traffic.`;
  const cost = (title: string, description: string, expr: string) =>
    number({
      title,
      description: `${description} ${prices}`,
      unit: "currencyUSD",
      line: "cost",
      queries: [{ expr }],
      decimals: 0,
      width: 4,
      height: 8,
    });
  return [
    cost(
      "Fleet of today, a month",
      "What it costs to let as many gateways run as now.",
      month(RECORD.gateways),
    ),
    cost(
      "Fleet in four weeks, a month",
      "The same for the gateways that the predicted peak takes, filled as today's are.",
      month(projected),
    ),
    cost("Largest fleet, a month", "What it costs at most.", month("vector($max_gateways)")),
    graph({
      title: "Cost a month",
      description: `Of the fleet as it was at that time, as projected four weeks ahead, and of the largest that may run: it cannot cost more. ${prices}`,
      unit: "currencyUSD",
      line: "cost",
      queries: [
        { expr: month(RECORD.gateways), legend: "fleet of then" },
        { expr: month(projected), legend: "four weeks later" },
        { expr: month("vector($max_gateways)"), legend: "largest fleet" },
      ],
      width: 12,
    }),
  ];
}
