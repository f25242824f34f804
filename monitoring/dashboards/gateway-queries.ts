/** Queries and panels that several groups of panels on gateways have in common. */

import { QUANTILES } from "../limits/recording-rules.ts";
import { errorRatioName, SLO_WINDOWS, type SloName } from "../limits/slos.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import { GATEWAY, graph } from "./panels.ts";
import { CHOSEN } from "./variables.ts";

/** Window over which rates are shown, unless the panel's own interval fits better. */
export const RATE = T.dropRate.window;

/** A query with one series for each of the chosen gateways. */
export function perGateway(metric: string, matchers = "") {
  return { expr: `${metric}{${CHOSEN}${matchers}}`, legend: GATEWAY };
}

/** Quantiles of a histogram of the chosen gateways. */
export function quantiles(metric: string) {
  const buckets = `sum by (le) (rate(${metric}_bucket{${CHOSEN}}[${RATE}]))`;
  return QUANTILES.map((quantile) => ({
    expr: `histogram_quantile(${quantile}, ${buckets})`,
    legend: `p${Number(quantile) * 100}`,
  }));
}

/** The error ratios of an objective over all windows. */
export function errorPanel(
  slo: SloName,
  title: string,
  limit: "connectionErrors" | "latencyErrors",
  width: number,
) {
  return graph({
    title,
    description:
      "Share of bad events, for windows from 5 minutes to 3 days. A value above the line uses up the error budget in less than a month.",
    unit: "percentunit",
    line: { limit, bad: "above" },
    queries: SLO_WINDOWS.map((window) => ({ expr: errorRatioName(slo, window), legend: window })),
    width,
  });
}
