/** Panels on what the fleet and its traffic cost, and on the bytes of a delivery. */

import { LABEL, METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions, TrafficPrice } from "../options.ts";
import { graph, number } from "./panels.ts";

/** How far ahead the dashboards predict, seconds. */
export const FORECAST = 4 * 7 * 24 * 3600; // 4 weeks
const SECONDS_A_MONTH = 730 * 3600;
const GIB = 2 ** 30;
/** Headers of TCP and IP, and the largest packet, bytes. */
const HEADERS = 52;
const PACKET = 1460;
const RATE = T.dropRate.window;
/** A query that finds nothing: the panel then shows that the cost is unknown. */
const UNKNOWN = "absent(vector(0))";
const NO_VALUE = "unknown";

/** Query for the predicted hourly peak; never below 0. */
export function peakIn(seconds: number): string {
  return `clamp_min(predict_linear(${RECORD.connectionsPeak}[$growth_window], ${seconds}), 0)`;
}

const amount = (usd: number | undefined): string => (usd === undefined ? UNKNOWN : String(usd));
const dollars = (usd: number | undefined): string => (usd === undefined ? "an unknown amount" : `$${usd}`);

/**
 * Query for the GiB that a month like the last day has. A write makes at least one packet with headers, and
 * one more for each full packet of its bytes.
 */
const GIB_A_MONTH = (() => {
  const [bytes, writes] = [RECORD.bytes, RECORD.writes].map((record) => `avg_over_time(${record}[1d])`);
  const withHeaders = `(${bytes} * ${1 + HEADERS / (PACKET - HEADERS)} + ${writes} * ${HEADERS})`;
  return `(${withHeaders} * ${SECONDS_A_MONTH / GIB})`;
})();

/** Query for what this traffic costs: each step changes the price of the GiB above its volume. */
function trafficCost(prices: readonly TrafficPrice[] | undefined): string {
  if (prices === undefined || prices.length === 0) return UNKNOWN;
  const steps = prices.map(({ fromGib, usd }, index) => {
    const change = Number((usd - (prices[index - 1]?.usd ?? 0)).toFixed(6));
    return `clamp_min(${GIB_A_MONTH} - ${fromGib}, 0) * ${change}`;
  });
  return `(${steps.join(" + ")})`;
}

export function costPanels(options: MonitoringOptions) {
  const { gateway, base, traffic } = options.monthlyPrices;
  const month = (gateways: string) => `${amount(base)} + ${gateways} * ${amount(gateway)}`;
  const growth = `${peakIn(FORECAST)} / clamp_min(${RECORD.connectionsPeak}, 1)`;
  // Filled as much as the current fleet; at least one gateway, at most the maximum.
  const projected = `clamp(ceil(${RECORD.gateways} * ${growth}), 1, $max_gateways)`;
  const prices = `List prices: ${dollars(gateway)} a month for a gateway, ${dollars(base)} for everything else together, without traffic.`;
  const steps = traffic?.map(({ fromGib, usd }) => `$${usd} for a GiB above ${fromGib} GiB`).join(", ");
  const trafficPrices = `A month like the last day: bytes of messages, and the headers of their packets. ${steps === undefined ? "The prices are unknown." : `List prices: ${steps}.`}`;
  const cost = (title: string, description: string, expr: string) =>
    number({
      title,
      description,
      unit: "currencyUSD",
      line: "cost",
      queries: [{ expr }],
      decimals: 0,
      width: 4,
      height: 8,
      noValue: NO_VALUE,
    });
  const current = month(RECORD.gateways);
  return [
    cost("Current fleet, per month", `Cost of the current number of gateways. ${prices}`, current),
    cost(
      "Fleet in four weeks, per month",
      `Cost of the gateways that the predicted peak needs, if each gateway is as full as the current gateways. ${prices}`,
      month(projected),
    ),
    cost("Largest fleet, per month", `Highest possible cost. ${prices}`, month("vector($max_gateways)")),
    cost("Traffic, per month", `Cost of the traffic to the clients. ${trafficPrices}`, trafficCost(traffic)),
    cost(
      "Traffic for 1,000 clients, per month",
      `Cost of the traffic divided by the connections of the last day, times 1,000. ${trafficPrices}`,
      `${trafficCost(traffic)} / clamp_min(avg_over_time(${RECORD.connections}[1d]), 1) * 1000`,
    ),
    cost(
      "Fleet and traffic, per month",
      `Cost of the current number of gateways and of the traffic. ${prices} ${trafficPrices}`,
      `${current} + ${trafficCost(traffic)}`,
    ),
    graph({
      title: "Cost per month",
      description: `Cost of the fleet at that time, of the fleet predicted for four weeks later, of the largest fleet, which is the highest possible cost, and of the traffic. ${prices} ${trafficPrices}`,
      unit: "currencyUSD",
      line: "cost",
      queries: [
        { expr: current, legend: "fleet at that time" },
        { expr: month(projected), legend: "four weeks later" },
        { expr: month("vector($max_gateways)"), legend: "largest fleet" },
        { expr: trafficCost(traffic), legend: "traffic" },
      ],
    }),
    ...encodingPanels(),
  ];
}

/** What a delivery takes on the wire, by encoding. */
function encodingPanels() {
  const by = (metric: string, ...labels: string[]) =>
    `sum by (${labels.join(", ")}) (rate(${metric}[${RATE}]))`;
  const { encoding, sentEvent } = LABEL;
  return [
    graph({
      title: "Bytes of a delivery, by encoding and event",
      description:
        "Bytes of a message and its frame, without the headers of its packets. plain: the client does not offer compression; deflate: compressed alone; compact: with a dictionary or the previous message.",
      unit: "bytes",
      line: "content",
      queries: [
        {
          expr: `${by(METRIC.bytesSent, encoding, sentEvent)} / (${by(METRIC.messagesSent, encoding, sentEvent)} > 0)`,
          legend: `{{${encoding}}} {{${sentEvent}}}`,
        },
      ],
      logarithmic: true,
    }),
    graph({
      title: "Deliveries by encoding",
      description:
        "Share of the deliveries in each encoding. What is not compact costs most of the traffic: clients ask for the compact encoding when they connect.",
      unit: "percentunit",
      line: "content",
      queries: [
        {
          expr: `${by(METRIC.messagesSent, encoding)} / scalar(clamp_min(sum(rate(${METRIC.messagesSent}[${RATE}])), 0.001))`,
          legend: `{{${encoding}}}`,
        },
      ],
      stacked: true,
    }),
  ];
}
