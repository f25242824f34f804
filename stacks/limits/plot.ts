import { init } from "echarts";
import type { Answer } from "./answer.ts";
import { holds, type Moment } from "./simulator.ts";

const SIZE = { width: 1100, height: 960 }; // px
const INK = "#0f172a";
const FONT = "Helvetica, Arial, sans-serif";
const COLORS = {
  demand: "#cbd5e1",
  connected: "#2563eb",
  refused: "#dc2626",
  target: "#15803d",
  limit: "#b45309",
};
const GATEWAYS = [
  "#2563eb",
  "#0891b2",
  "#059669",
  "#65a30d",
  "#ca8a04",
  "#ea580c",
  "#db2777",
  "#7c3aed",
  "#475569",
];

/**
 * Draws three plots: clients against capacity, number of gateways, load of each gateway.
 *
 * @returns SVG on a white background; the same bytes for the same answer
 */
export function plotSvg(stack: string, given: Answer): string {
  const answer = { ...given, moments: settled(given.moments) };
  const chart = init(null, null, { renderer: "svg", ssr: true, ...SIZE });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: { fontFamily: FONT, color: INK },
    title: [
      heading(`Stack ${stack}: ${answer.peak.toLocaleString("en-US")} clients against its limits`, 12, 18),
      heading("Clients", 50, 14),
      heading("Gateways", 500, 14),
      heading("Connections of each gateway", 700, 14),
    ],
    legend: [
      {
        ...LEGEND,
        top: 48,
        data: ["demand", "connected", "refused", "capacity at the target", "hard limit"],
      },
      { ...LEGEND, top: 498, data: ["gateways in service", "with those that boot"] },
    ],
    grid: [
      { left: 80, right: 40, top: 90, height: 370 },
      { left: 80, right: 40, top: 535, height: 130 },
      { left: 80, right: 40, top: 735, height: 160 },
    ],
    xAxis: [0, 1, 2].map((gridIndex) => timeAxis(gridIndex, answer.moments)),
    yAxis: [0, 1, 2].map((gridIndex) => ({
      gridIndex,
      type: "value",
      min: 0,
      ...(gridIndex === 1 ? { minInterval: 1 } : {}),
      axisLabel: { color: INK, formatter: (value: number) => value.toLocaleString("en-US") },
      splitLine: { lineStyle: { color: "#e2e8f0" } },
    })),
    series: [...clients(answer), ...sizes(answer.moments), ...loads(answer)],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return still(svg);
}

/** Removes styles and names for the mouse, because ECharts numbers them by the plots of the process. */
function still(svg: string): string {
  return svg
    .replace(/<style[^>]*>[\s\S]*?<\/style>/, "")
    .replaceAll(/ (class="zr\d+-cls-\d+"|pointer-events="visible")/g, "")
    .replaceAll(/\bzr\d+-/g, "");
}

const AFTERWARDS_SECONDS = 600; // s that are shown after the last change

/** The moments up to the last change, and {@link AFTERWARDS_SECONDS}. */
function settled(moments: Moment[]): Moment[] {
  const last = moments.findLastIndex(({ size, demand, serving }, index) => {
    const before = moments[index - 1];
    return before && (before.size !== size || before.demand !== demand || before.serving !== serving);
  });
  const end = (moments[Math.max(0, last)]?.at ?? 0) + AFTERWARDS_SECONDS;
  return moments.filter(({ at }) => at <= end);
}

const LEGEND = {
  right: 40,
  itemGap: 30,
  itemWidth: 18,
  itemHeight: 3,
  icon: "rect",
  textStyle: { fontFamily: FONT, fontSize: 12, color: INK },
};

function heading(text: string, top: number, fontSize: number) {
  return {
    text,
    top,
    left: 20,
    textStyle: { fontFamily: FONT, fontSize, fontWeight: "bold" as const, color: INK },
  };
}

function timeAxis(gridIndex: number, moments: Moment[]) {
  return {
    gridIndex,
    type: "value" as const,
    min: 0,
    max: Math.ceil((moments.at(-1)?.at ?? 0) / 60),
    ...(gridIndex === 2 ? { name: "minutes", nameLocation: "middle" as const, nameGap: 28 } : {}),
    axisLabel: { color: INK },
    axisLine: { lineStyle: { color: "#64748b" } },
    splitLine: { show: false },
  };
}

type Point = [number, number];

interface Line {
  name: string;
  type: "line";
  data: Point[];
}

function line(name: string, grid: number, color: string, data: Point[], more: object = {}): Line {
  const axes = { xAxisIndex: grid, yAxisIndex: grid };
  return {
    name,
    type: "line",
    ...axes,
    data,
    showSymbol: false,
    color,
    lineStyle: { color, width: 2 },
    ...more,
  } as Line;
}

function clients({ moments, scenario: { policy, gateway } }: Answer): Line[] {
  const of = (value: (moment: Moment) => number) => points(moments, value);
  const dashed = (color: string) => ({ step: "end", lineStyle: { color, width: 1.5, type: "dashed" } });
  return [
    line(
      "hard limit",
      0,
      COLORS.limit,
      of(({ serving }) => serving * holds(gateway)),
      dashed(COLORS.limit),
    ),
    line(
      "capacity at the target",
      0,
      COLORS.target,
      of(({ serving }) => serving * policy.connectionsTarget),
      dashed(COLORS.target),
    ),
    line(
      "demand",
      0,
      COLORS.demand,
      of(({ demand }) => demand),
      { lineStyle: { color: COLORS.demand, width: 6 } },
    ),
    line(
      "connected",
      0,
      COLORS.connected,
      of(({ connected }) => connected),
      { lineStyle: { color: COLORS.connected, width: 3 } },
    ),
    line(
      "refused",
      0,
      COLORS.refused,
      of(({ refused }) => refused),
      { areaStyle: { color: COLORS.refused, opacity: 0.35 } },
    ),
  ];
}

function sizes(moments: Moment[]): Line[] {
  const step = { step: "end" };
  return [
    line(
      "with those that boot",
      1,
      "#94a3b8",
      points(moments, ({ size }) => size),
      { ...step, areaStyle: { color: "#e2e8f0" } },
    ),
    line(
      "gateways in service",
      1,
      COLORS.connected,
      points(moments, ({ serving }) => serving),
      step,
    ),
  ];
}

/** A line for each gateway from its first to its last moment, and a line for the limit. */
function loads({ moments, scenario: { gateway, policy } }: Answer): Line[] {
  const byGateway = new Map<number, Point[]>();
  for (const { at, loads } of moments) {
    for (const load of loads) {
      const data = byGateway.get(load.gateway) ?? [];
      data.push([at / 60, load.connections]);
      byGateway.set(load.gateway, data);
    }
  }
  const lines = [...byGateway].map(([number, data]) =>
    line(`gateway ${number}`, 2, GATEWAYS[(number - 1) % GATEWAYS.length] ?? INK, thinned(data), {
      lineStyle: { width: 1.5 },
    }),
  );
  const limit = { lineStyle: { width: 1, type: "dashed" } };
  return [
    line(
      "limit of one",
      2,
      COLORS.limit,
      points(moments, () => holds(gateway)),
      limit,
    ),
    line(
      "target of one",
      2,
      COLORS.target,
      points(moments, () => policy.connectionsTarget),
      limit,
    ),
    ...lines,
  ];
}

function points(moments: Moment[], value: (moment: Moment) => number): Point[] {
  return thinned(moments.map((moment) => [moment.at / 60, value(moment)]));
}

/** Removes points between equal neighbours, which does not change the line. */
function thinned(data: Point[]): Point[] {
  return data.filter(([, value], index) => {
    const [before, after] = [data[index - 1], data[index + 1]];
    return !before || !after || before[1] !== value || after[1] !== value;
  });
}
