/** Draws the figures: memory and CPU against the number of connections, and how clients come back. */

import { init } from "echarts";
import type { Report } from "./report.ts";

const SIZE = { width: 1100, height: 760 }; // px
const INK = "#0f172a";
const FONT = "Helvetica, Arial, sans-serif";
const COLORS = ["#2563eb", "#b45309", "#15803d", "#dc2626"];

const TITLE = "Memory and CPU of idle connections, and how clients come back";

type Point = [x: number, y: number];

const text = (fontSize: number) => ({ color: INK, fontFamily: FONT, fontSize });
const thousands = (value: number) => value.toLocaleString("en-US");

function axes(gridIndex: number, x: string, y: string) {
  const common = { gridIndex, type: "value" as const, min: 0, nameTextStyle: text(12), axisLabel: text(12) };
  return {
    x: {
      ...common,
      name: x,
      nameLocation: "middle" as const,
      nameGap: 28,
      axisLabel: { ...text(12), formatter: thousands, hideOverlap: true },
      splitLine: { show: false },
    },
    y: {
      ...common,
      name: y,
      axisLabel: { ...text(12), formatter: thousands },
      splitLine: { lineStyle: { color: "#e2e8f0" } },
    },
  };
}

function line(name: string, grid: number, color: string, data: readonly Point[], symbol = true) {
  return {
    name,
    type: "line" as const,
    xAxisIndex: grid,
    yAxisIndex: grid,
    data: data.map(([x, y]) => [x, y]),
    color,
    showSymbol: symbol,
    symbolSize: 7,
    lineStyle: { color, width: 2 },
  };
}

/** @returns SVG on a white background; the same bytes for the same report */
export function plotOf({ steps, comebacks }: Report): string {
  const at = (value: (step: Report["steps"][number]) => number): Point[] =>
    steps.map((step) => [step.connections, Math.round(value(step) * 100) / 100]);
  const courses = comebacks.map(({ what, connections, course }, index) =>
    line(
      what === "worker"
        ? `a worker of ${thousands(connections)} ends`
        : `the gateway of ${thousands(connections)} ends`,
      2,
      COLORS[index % COLORS.length] as string,
      course.map((subscribed, second): Point => [second, Math.round((subscribed / connections) * 1000) / 10]),
      false,
    ),
  );
  const grids = [
    axes(0, "connections", "GB"),
    axes(1, "connections", "cores"),
    axes(2, "seconds", "% subscribed"),
  ];
  const chart = init(null, null, { renderer: "svg", ssr: true, ...SIZE });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: text(12),
    title: [
      {
        text: "Memory of idle connections",
        top: 12,
        left: 20,
        textStyle: { ...text(15), fontWeight: "bold" as const },
      },
      {
        text: "CPU of idle connections",
        top: 12,
        left: 570,
        textStyle: { ...text(15), fontWeight: "bold" as const },
      },
      {
        text: "Clients come back",
        top: 390,
        left: 20,
        textStyle: { ...text(15), fontWeight: "bold" as const },
      },
    ],
    legend: [
      legend(40, 20, ["gateway", "kernel, the gateway's end"]),
      legend(40, 570, ["gateway's processes"]),
      legend(
        418,
        20,
        courses.map(({ name }) => name),
      ),
    ],
    grid: [
      { left: 80, width: 420, top: 95, height: 220 },
      { left: 630, width: 420, top: 95, height: 220 },
      { left: 80, width: 970, top: 475, height: 220 },
    ],
    xAxis: grids.map(({ x }) => x),
    yAxis: grids.map(({ y }) => y),
    series: [
      line(
        "gateway",
        0,
        COLORS[0] as string,
        at(({ bytes, connections }) => (bytes.gateway * connections) / 1e9),
      ),
      line(
        "kernel, the gateway's end",
        0,
        COLORS[1] as string,
        at(({ bytes, connections }) => (bytes.kernel * connections) / 2e9),
      ),
      line(
        "gateway's processes",
        1,
        COLORS[2] as string,
        at(({ idleCores }) => idleCores),
      ),
      ...courses,
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return still(svg);
}

function legend(top: number, left: number, data: string[]) {
  return { top, left, data, itemGap: 24, itemWidth: 18, itemHeight: 3, icon: "rect", textStyle: text(12) };
}

/** Removes styles and names for the mouse, because ECharts numbers them by the plots of the process. */
function still(svg: string): string {
  return svg
    .replace(/^<svg[^>]*>/, (start) => `${start}\n<title>${TITLE}</title>`)
    .replace(/<style[^>]*>[\s\S]*?<\/style>/, "")
    .replaceAll(/ (class="zr\d+-cls-\d+"|pointer-events="visible")/g, "")
    .replaceAll(/\bzr\d+-/g, "");
}
