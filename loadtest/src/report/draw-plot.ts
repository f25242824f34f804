/**
 * Draws plots as SVG text, without a browser. Colors are CSS variables of the page, so one drawing fits light
 * and dark.
 */

import { LineChart, type LineSeriesOption } from "echarts/charts";
import { GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

echarts.use([LineChart, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, SVGRenderer]);

/**
 * The drawing library does not accept CSS variables, so each variable has a unique color, which `themed`
 * replaces.
 */
const COLORS = {
  "--c1": "#010203",
  "--c2": "#010204",
  "--c3": "#010205",
  "--muted": "#010206",
  "--grid": "#010207",
  "--bad": "#010208",
  "--band": "#010209",
} as const;
type ColorName = keyof typeof COLORS;

export const WIDTH = 560;
export const HEIGHT = 220;
/** Margins around the drawing area, px. The page draws its cursor inside of them. */
export const GRID = { left: 58, right: 14, top: 30, bottom: 34 } as const;
const FONT = "system-ui, sans-serif";

export interface Line {
  name: string;
  color: ColorName;
  points: readonly (readonly [x: number, y: number | null])[];
  filled?: boolean;
  steps?: boolean;
}

export interface Plot {
  lines: Line[];
  /** Parts of the x axis with a shaded background. */
  bands?: readonly { from: number; to: number }[];
  /** Vertical lines. */
  marks?: readonly { at: number; name: string }[];
  x: { min: number; max: number; label: (value: number) => string; interval?: number };
  y: { label: (value: number) => string; log?: boolean; whole?: boolean };
}

function series({ name, color, points, filled, steps }: Line): LineSeriesOption {
  return {
    name,
    type: "line",
    data: points.map(([x, y]) => [x, y ?? "-"]),
    symbol: "none",
    ...(steps === true && { step: "end" as const }),
    lineStyle: { color: COLORS[color], width: 1.75 },
    itemStyle: { color: COLORS[color] },
    ...(filled === true && { areaStyle: { color: COLORS[color], opacity: 0.12 } }),
  };
}

/** @param id unique on the page */
export function drawPlot(id: string, { lines, marks = [], bands = [], x, y }: Plot): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  const text = { color: COLORS["--muted"], fontFamily: FONT, fontSize: 11 };
  const all = lines.map(series);
  const [first] = all;
  if (first !== undefined && marks.length > 0)
    first.markLine = {
      symbol: "none",
      silent: true,
      label: { show: false },
      lineStyle: { color: COLORS["--bad"], type: "dashed", width: 1 },
      data: marks.map(({ at }) => ({ xAxis: at })),
    };
  if (first !== undefined && bands.length > 0)
    first.markArea = {
      silent: true,
      label: { show: false },
      itemStyle: { color: COLORS["--band"] },
      data: bands.map(({ from, to }) => [{ xAxis: from }, { xAxis: to }]),
    };
  chart.setOption({
    animation: false,
    grid: GRID,
    legend: {
      show: lines.length > 1,
      top: 0,
      right: GRID.right,
      icon: "roundRect",
      itemWidth: 12,
      itemHeight: 3,
      itemGap: 14,
      textStyle: text,
    },
    xAxis: {
      type: "value",
      min: x.min,
      max: x.max,
      ...(x.interval !== undefined && { interval: x.interval }),
      axisLabel: { ...text, formatter: x.label, hideOverlap: true },
      axisLine: { lineStyle: { color: COLORS["--grid"] } },
      axisTick: { show: false },
      splitLine: { show: false },
    },
    yAxis: {
      type: y.log === true ? "log" : "value",
      splitNumber: 4,
      ...(y.log !== true && { min: 0 }),
      ...(y.whole === true && { minInterval: 1 }),
      axisLabel: { ...text, formatter: y.label },
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: COLORS["--grid"], width: 1 } },
    },
    series: all,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return themed(svg, id);
}

/**
 * Replaces colors by CSS variables, and inline styles by attributes, because the page's content security
 * policy forbids inline styles. Removes what the drawing library's own cursor would need. Prefixes element
 * ids with `id`.
 */
function themed(svg: string, id: string): string {
  let out = svg;
  for (const [name, color] of Object.entries(COLORS)) {
    const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
    out = out.replaceAll(new RegExp(`${color}|rgb\\(${red}, ?${green}, ?${blue}\\)`, "gi"), `var(${name})`);
  }
  return out
    .replaceAll(/<style[^>]*>.*?<\/style>/gs, "")
    .replaceAll(/ (?:class|pointer-events|xmlns:xlink|baseProfile|version)="[^"]*"/g, "")
    .replaceAll(/ style="([^"]*)"/g, (_, style: string) =>
      style.replaceAll(/([\w-]+): ?([^;]*);?/g, (_, name: string, value: string) => ` ${name}="${value}"`),
    )
    .replaceAll(/zr\d+-/g, `${id}-`)
    .replace(/ width="\d+" height="\d+"/, "");
}
