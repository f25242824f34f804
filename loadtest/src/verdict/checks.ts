/** Judges a run. Every check says what it found; a check that could not be made says why. */

import type { FaultName } from "../worker-messages.ts";
import {
  check,
  type Evidence,
  formatMs,
  formatNumber,
  NOTHING_DELIVERED,
  STOPPED,
  skipped,
} from "./check.ts";
import { connectTime, openConnections, reconnects, slowClients } from "./connection-checks.ts";
import { content, deliveryCount, gatewayCount, leftOut, losses, storedMessages } from "./delivery-checks.ts";
import type { Check } from "./result.ts";

function latency(evidence: Evidence): Check {
  const { options, result, stopped } = evidence;
  if (options.scenario === "connection-rate") return connectTime(evidence);
  const name = "Latency, 99th percentile";
  const worst = result.stages.toSorted((a, b) => b.latency.p99 - a.latency.p99)[0];
  if (worst === undefined || result.latency.samples === 0)
    return stopped
      ? skipped(name, STOPPED)
      : check(name, false, "no live message arrived: check that something is published");
  const where = result.stages.length > 1 ? ` in the stage ${worst.name}` : "";
  const silent = result.stages.find(({ latency: { samples } }) => samples === 0);
  if (silent !== undefined && !stopped)
    return check(name, false, `no live message arrived in the stage ${silent.name}`);
  // With a rate, a message waits for its turn for up to one interval.
  const waiting = options.maxRate === undefined ? 0 : 1000 / options.maxRate;
  return check(
    name,
    worst.latency.p99 <= options.maxP99Ms + waiting,
    `${formatMs(worst.latency.p99)}${where} (at most ${options.maxP99Ms} ms${waiting > 0 ? `, and ${formatMs(waiting)} for a turn at --max-rate` : ""})`,
  );
}

const FAULT_CHECKS: readonly [FaultName, string, string][] = [
  ["duplicate", "No duplicates", "deliveries arrived twice"],
  ["reorder", "Order on each channel", "deliveries arrived out of order"],
  ["tooOften", "No channel more often than --max-rate", "deliveries came before their turn"],
  ["ended", "No unexpected disconnections", "connections ended"],
  ["error", "No error messages from the gateway", "error messages"],
  ["epoch", "Stream not replaced", "connections were sent another epoch"],
];

function faults({ options, result }: Evidence): Check[] {
  const applicable = FAULT_CHECKS.filter(
    ([fault]) =>
      (fault !== "ended" || options.scenario !== "reconnect") &&
      (fault !== "tooOften" || options.maxRate !== undefined),
  );
  return applicable.map(([fault, name, what]) => {
    const found = result.faults[fault] ?? 0;
    const idle = found === 0 && result.deliveries === 0 && (fault === "duplicate" || fault === "reorder");
    return idle
      ? skipped(name, NOTHING_DELIVERED)
      : check(name, found === 0, `${formatNumber(found)} ${what}`);
  });
}

function stages({ options, result }: Evidence): Check[] {
  if (options.scenario !== "throughput" || options.nats !== undefined || options.publisher !== undefined)
    return [];
  const [only] = result.stages;
  return [
    skipped(
      "One stage for each rate",
      `the load test does not set the rate of this feed (use --nats or --publisher), so there is one stage: ${only === undefined ? "stopped before it began" : only.name}`,
    ),
  ];
}

export function judge(evidence: Evidence): Check[] {
  return [
    openConnections(evidence),
    latency(evidence),
    ...losses(evidence),
    ...leftOut(evidence),
    ...deliveryCount(evidence),
    ...content(evidence),
    ...faults(evidence),
    ...stages(evidence),
    ...reconnects(evidence),
    ...slowClients(evidence),
    storedMessages(evidence),
    gatewayCount(evidence),
  ];
}
