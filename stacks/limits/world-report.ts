import { init } from "echarts";
import { NIGHT, type World, type WorldAnswer } from "./world.ts";

const count = (value: number) => Math.round(value).toLocaleString("en-US");
const COLORS = ["#2563eb", "#15803d", "#b45309", "#7c3aed", "#dc2626", "#0891b2"];
const INK = "#0f172a";

/** The text that `npm run limits -- --regions N` prints, without the paths of its files. */
export function worldReport(stack: string, { connections, regions }: World, answer: WorldAnswer): string {
  const [region] = answer.regions;
  if (!region) return "";
  const { peak, gateways, refused, behindSeconds } = region;
  const all = regions * (gateways.day + 1);
  const usd = answer.costs.reduce((sum, { cost }) => sum + (cost.usd ?? 0), 0);
  return [
    `Stack ${stack} with ${count(connections)} clients at once in ${regions} ${regions === 1 ? "region" : `regions, whose days are ${Number((24 / regions).toFixed(1))} h apart`}`,
    `  each region: ${count(peak)} clients at the busiest hour, ${count(peak * NIGHT)} at night`,
    `  gateways of a region: ${gateways.night} at night, ${gateways.day} by day and one spare; all regions: at most ${all}`,
    `  NATS servers: ${answer.nats.home} in the home region, ${answer.nats.other} in each other region; gateways read ${(answer.natsBits / 1e9).toFixed(1)} Gbit/s from them`,
    `  traffic between regions: ${count(answer.betweenGib)} GiB a month, the stream once for each other region`,
    `  refused at most: ${count(refused)} clients; above the target for ${count(behindSeconds / 60)} min of the day, while gateways boot`,
    ...answer.notes.map((note) => `  note: ${note}`),
    "",
    "A month in US dollars, list prices of us-central1",
    ...answer.costs.map(
      ({ part, cost }) =>
        `  ${`${part}: ${cost.item}`.padEnd(70)}${(cost.usd === undefined ? "?" : cost.usd.toFixed(2)).padStart(12)}`,
    ),
    `  ${"together".padEnd(70)}${usd.toFixed(2).padStart(12)}`,
    "",
    "In the configuration of each region:",
    `  minInstances ${gateways.night}, maxInstances ${gateways.day + 1}`,
  ].join("\n");
}

/** Clients and gateways of each region over a day, as SVG; the same bytes for the same answer. */
export function worldPlot(stack: string, { connections }: World, answer: WorldAnswer): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: 1100, height: 760 });
  const axis = { type: "value" as const, axisLabel: { color: INK }, splitLine: { show: false } };
  const lines = (gridIndex: number, value: "demand" | "serving") =>
    answer.regions.map(({ laterHours, moments }, index) => ({
      name: `region ${index + 1}`,
      type: "line" as const,
      xAxisIndex: gridIndex,
      yAxisIndex: gridIndex,
      showSymbol: false,
      lineStyle: { width: 1.5 },
      data: moments
        .filter(({ at }) => at % 600 === 0)
        .map((moment): [number, number] => [(moment.at / 3600 + laterHours) % 24, moment[value]])
        .sort(([one], [other]) => one - other),
    }));
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    color: COLORS,
    title: [
      {
        text: `Stack ${stack}: ${count(connections)} clients in ${answer.regions.length} regions`,
        left: 20,
        top: 10,
      },
      { text: "Clients", left: 20, top: 50, textStyle: { fontSize: 14 } },
      { text: "Gateways in service", left: 20, top: 400, textStyle: { fontSize: 14 } },
    ],
    legend: { right: 40, top: 48, data: answer.regions.map((_, index) => `region ${index + 1}`) },
    grid: [
      { left: 90, right: 40, top: 90, height: 280 },
      { left: 90, right: 40, top: 440, height: 250 },
    ],
    xAxis: [0, 1].map((gridIndex) => ({
      ...axis,
      gridIndex,
      min: 0,
      max: 24,
      ...(gridIndex === 1 ? { name: "hour", nameLocation: "middle" as const, nameGap: 28 } : {}),
    })),
    yAxis: [0, 1].map((gridIndex) => ({ ...axis, gridIndex, min: 0 })),
    series: [...lines(0, "demand"), ...lines(1, "serving")],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
