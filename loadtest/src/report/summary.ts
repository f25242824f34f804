/** Formats the result as text for a terminal. */

import type { Quantiles } from "../verdict/distribution.ts";
import type { Result } from "../verdict/result.ts";

const SIGNS = { passed: "ok  ", failed: "FAIL", skipped: "–   " } as const;

const number = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 1 });
const quantiles = ({ samples, p50, p90, p99, p999, max }: Quantiles): string =>
  samples === 0
    ? "none"
    : `p50 ${number(p50)}  p90 ${number(p90)}  p99 ${number(p99)}  p99.9 ${number(p999)}  max ${number(max)} ms`;

export function summaryText(result: Result): string {
  const { scenario, outcome, seconds, stages, connect, resume, examples } = result;
  const lines = [
    "",
    `${scenario}: ${outcome.toUpperCase()} after ${seconds} s, ${number(result.mostOpen)} connections, ${number(result.deliveries)} deliveries`,
    "",
    ...result.checks.map(({ name, outcome: is, text }) => `  ${SIGNS[is]}  ${name.padEnd(38)}${text}`),
    "",
    `  connecting    ${quantiles(connect)}`,
  ];
  for (const { name, latency, deliveries, from, to } of stages)
    lines.push(
      `  ${name.padEnd(13)} ${quantiles(latency)}  ${number(deliveries / Math.max(to - from, 1))} deliveries/s`,
    );
  if (resume.samples > 0) lines.push(`  reconnecting  ${quantiles(resume)}`);
  if (result.gateway.error !== undefined)
    lines.push(`\n  no metrics of the gateway: ${result.gateway.error}`);
  if (examples.length > 0) lines.push("", ...examples.slice(0, 10).map((example) => `  example: ${example}`));
  return lines.join("\n");
}
