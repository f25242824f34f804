/** The plots of a report, and the values for the page's cursor. */

import type { Result } from "../verdict/result.ts";
import type { Point } from "../verdict/timeline.ts";
import { drawPlot, type Line } from "./draw-plot.ts";

export interface Figure {
  title: string;
  note: string;
  svg: string;
  /** For the cursor: positions on the x axis, their names, and the text of each line's value there. */
  cursor: {
    min: number;
    max: number;
    xs: number[];
    names: string[];
    lines: { name: string; texts: string[] }[];
  };
}

const MAX_POINTS = 600;
const MB = 1024 * 1024;

const idOf = (title: string): string => title.toLowerCase().replaceAll(/[^a-z]+/g, "-");
const short = (value: number): string =>
  value >= 1e6
    ? `${+(value / 1e6).toFixed(1)}M`
    : value >= 1e3
      ? `${+(value / 1e3).toFixed(1)}k`
      : `${+value.toFixed(2)}`;
const full = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 1 });
const ms = (value: number): string =>
  value >= 1000 ? `${+(value / 1000).toFixed(2)} s` : `${+value.toPrecision(3)} ms`;
const time = (seconds: number): string =>
  seconds < 120
    ? `${Math.round(seconds)} s`
    : `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

/**
 * Merges neighboring points until at most `most` are left: takes the mean of rates and the worst value of the
 * others.
 */
function thinned(points: readonly Point[], most = MAX_POINTS): Point[] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return [...points];
  const joined: Point[] = [];
  for (let at = 0; at < points.length; at += size) joined.push(merge(points.slice(at, at + size)));
  return joined;
}

function merge(points: readonly Point[]): Point {
  const values = (name: keyof Point) => points.flatMap((point) => point[name] ?? []);
  const mean = (name: keyof Point) =>
    values(name).reduce((sum, value) => sum + value, 0) / Math.max(values(name).length, 1);
  const worst = (name: keyof Point) =>
    values(name).length === 0 ? {} : { [name]: Math.max(...values(name)) };
  const total = (name: keyof Point) => values(name).reduce((sum, value) => sum + value, 0);
  return {
    at: points.at(-1)?.at ?? 0,
    open: Math.min(...values("open")),
    deliveries: mean("deliveries"),
    bytes: mean("bytes"),
    refused: total("refused"),
    faults: total("faults"),
    delayMs: Math.max(...values("delayMs")),
    ...(values("p50").length > 0 && { p50: mean("p50") }),
    ...worst("p99"),
    ...worst("max"),
    ...worst("cpuPercent"),
    ...worst("memoryBytes"),
    ...worst("gatewayConnections"),
  };
}

interface TimePlot {
  title: string;
  note: string;
  lines: {
    name: string;
    color: Line["color"];
    of: (point: Point) => number | undefined;
    filled?: boolean;
    steps?: boolean;
  }[];
  label: (value: number) => string;
  text: (value: number) => string;
  log?: boolean;
  whole?: boolean;
}

/** Returns a plot over time; undefined when there is nothing to draw. */
function overTime(
  result: Result,
  points: readonly Point[],
  { title, note, lines, label, text, log, whole }: TimePlot,
): Figure | undefined {
  const present = lines.filter(({ of }) => points.some((point) => of(point) !== undefined));
  const max = points.at(-1)?.at ?? 0;
  if (present.length === 0 || points.length < 2) return undefined;
  const value = (of: (point: Point) => number | undefined, point: Point) => {
    const found = of(point);
    // A logarithmic axis cannot show 0.
    return found === undefined ? null : log === true ? Math.max(found, 0.1) : found;
  };
  const svg = drawPlot(idOf(title), {
    lines: present.map(({ of, ...line }) => ({
      ...line,
      points: points.map((point) => [point.at, value(of, point)] as const),
    })),
    marks: result.marks,
    bands: result.stages,
    x: { min: 0, max, label: time },
    y: { label, ...(log === true && { log }), ...(whole === true && { whole }) },
  });
  return {
    title,
    note,
    svg,
    cursor: {
      min: 0,
      max,
      xs: points.map(({ at }) => at),
      names: points.map(({ at }) => time(at)),
      lines: present.map(({ name, of }) => ({
        name,
        texts: points.map((point) => {
          const found = of(point);
          return found === undefined ? "–" : text(found);
        }),
      })),
    },
  };
}

function distribution({ latencyCurve, latency }: Result): Figure | undefined {
  if (latencyCurve.length === 0) return undefined;
  // Like the plots of HdrHistogram: 99 to 99.9 % gets as much space as 90 to 99 %.
  const place = (percent: number) => -Math.log10(1 - percent / 100);
  const name = (percent: number) => `${+percent.toFixed(percent > 99 ? 3 : 1)} %`;
  const shown = latencyCurve.map(({ percent, ms: value }) => [place(percent), value] as const);
  const max = 5;
  return {
    title: "Latency, all deliveries",
    note: `${full(latency.samples)} live deliveries: percentage that was faster`,
    svg: drawPlot(idOf("curve"), {
      lines: [{ name: "latency", color: "--c1", points: shown, filled: true }],
      x: {
        min: 0,
        max,
        interval: 1,
        label: (value) => (value === 0 ? "0 %" : name(100 * (1 - 10 ** -Math.round(value)))),
      },
      y: { label: ms },
    }),
    cursor: {
      min: 0,
      max,
      xs: shown.map(([x]) => x),
      names: latencyCurve.map(({ percent }) => name(percent)),
      lines: [{ name: "latency", texts: latencyCurve.map((one) => ms(one.ms)) }],
    },
  };
}

export function figuresOf(result: Result): Figure[] {
  const points = thinned(result.timeline);
  const over = (plot: TimePlot) => overTime(result, points, plot);
  const marks =
    result.marks.length > 0
      ? `; dashed: ${[...new Set(result.marks.map(({ name }) => name.replace(/ \d+$/, "")))].join(", ")}`
      : "";
  const all = [
    over({
      title: "Connections",
      note: `subscribed clients${marks}`,
      lines: [{ name: "open", color: "--c1", of: ({ open }) => open, filled: true }],
      ...{ label: short, text: full, whole: true },
    }),
    over({
      title: "Deliveries",
      note: "messages a second to all clients",
      lines: [{ name: "a second", color: "--c2", of: ({ deliveries }) => deliveries, filled: true }],
      ...{ label: short, text: full },
    }),
    over({
      title: "Latency over time",
      note: "from publishing to reading, for each second; logarithmic scale",
      lines: [
        { name: "slowest", color: "--muted", of: ({ max }) => max },
        { name: "99 %", color: "--c3", of: ({ p99 }) => p99 },
        { name: "median", color: "--c1", of: ({ p50 }) => p50 },
      ],
      ...{ label: ms, text: ms, log: true },
    }),
    distribution(result),
    over({
      title: "Gateway: CPU",
      note: "percent of the limit (WS_CPU_LIMIT)",
      lines: [{ name: "CPU", color: "--c3", of: ({ cpuPercent }) => cpuPercent, filled: true }],
      label: (value) => `${short(value)} %`,
      text: (value) => `${value.toFixed(1)} %`,
    }),
    over({
      title: "Gateway: memory",
      note: "resident memory of all processes",
      lines: [
        {
          name: "memory",
          color: "--c2",
          of: ({ memoryBytes }) => memoryBytes && memoryBytes / MB,
          filled: true,
        },
      ],
      label: (value) => `${short(value)} MB`,
      text: (value) => `${full(value)} MB`,
    }),
    over({
      title: "Errors",
      note: "refused connection attempts and detected faults, for each second",
      lines: [
        { name: "refused", color: "--c3", of: ({ refused }) => refused, steps: true },
        { name: "faults", color: "--bad", of: ({ faults }) => faults, steps: true },
      ],
      ...{ label: short, text: full, whole: true },
    }),
    over({
      title: "Delay of the load test",
      note: "how late the load test's own timers were: up to this much of the latency may come from the load test",
      lines: [{ name: "delay", color: "--muted", of: ({ delayMs }) => delayMs, filled: true }],
      ...{ label: ms, text: ms },
    }),
  ];
  return all.filter((figure) => figure !== undefined);
}
