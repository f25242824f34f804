/** Checks of connections: how many were open, how fast they were served, whether they resumed. */

import { check, type Evidence, formatMs, formatNumber, STOPPED, skipped } from "./check.ts";
import type { Check } from "./result.ts";

export function openConnections({ options, result, stopped }: Evidence): Check {
  const name = "Connections open at the end";
  if (stopped && result.mostOpen < options.connections)
    return skipped(name, `${STOPPED}: ${formatNumber(result.open)} of ${formatNumber(options.connections)}`);
  const percent = (100 * result.open) / options.connections;
  const refusals = Object.entries(result.refused).map(
    ([reason, count]) => `${formatNumber(count)} × ${reason}`,
  );
  return check(
    name,
    percent >= options.minSuccess,
    `${formatNumber(result.open)} of ${formatNumber(options.connections)} (at least ${options.minSuccess} %)` +
      (refusals.length > 0 ? `; refused before: ${refusals.join(", ")}` : ""),
  );
}

export function connectTime({ options, result, stopped }: Evidence): Check {
  const name = "Time to connect, 99th percentile";
  const { p99, samples } = result.connect;
  if (samples === 0) return stopped ? skipped(name, STOPPED) : check(name, false, "no connection was made");
  const never = samples - result.served;
  return check(
    name,
    p99 <= options.maxP99Ms,
    `${formatMs(p99)} from when each connection was due (at most ${options.maxP99Ms} ms)` +
      (never > 0 ? `; ${formatNumber(never)} were never served and count with the time they waited` : ""),
  );
}

/** Checks of the scenario `reconnect`. */
export function reconnects({ options, result, stopped, commandFailures }: Evidence): Check[] {
  if (options.scenario !== "reconnect") return [];
  const name = "Resumed after every break";
  const breaks = result.marks.length;
  // A command may break only some connections, so the connections that ended are counted.
  const broken =
    options.kill === undefined
      ? breaks * options.connections
      : Object.values(result.ended).reduce((sum, count) => sum + count, 0);
  const resumed =
    stopped && (broken === 0 || result.mostOpen < options.connections)
      ? skipped(name, STOPPED)
      : check(
          name,
          broken > 0 && result.resumed >= broken * (options.minSuccess / 100),
          broken === 0
            ? "no connection broke"
            : `${formatNumber(result.resumed)} of ${formatNumber(broken)} broken connections resumed after ${breaks} breaks: half of them within ${formatMs(result.resume.p50)}, 99 % within ${formatMs(result.resume.p99)}`,
        );
  if (options.kill === undefined) return [resumed];
  const command = "Command of --kill";
  if (breaks === 0) return [resumed, skipped(command, STOPPED)];
  const ok = commandFailures.length === 0;
  return [resumed, check(command, ok, ok ? `ran ${breaks} times` : commandFailures.join("; "))];
}

/** The check of the scenario `slow-clients`. */
export function slowClients({ options, summary, stopped }: Evidence): Check[] {
  if (options.scenario !== "slow-clients") return [];
  const name = "Slow clients detected";
  const { slowThrottled, slowClosed, slowDropped, slowLeftOut } = summary;
  const detected = slowThrottled + slowClosed + slowLeftOut;
  if (stopped && detected === 0) return [skipped(name, STOPPED)];
  return [
    check(
      name,
      detected > 0,
      detected > 0
        ? `${formatNumber(slowThrottled)} throttled, ${formatNumber(slowClosed)} disconnected as too slow, ${formatNumber(slowDropped)} of their deliveries dropped and reported${slowLeftOut > 0 ? `, ${formatNumber(slowLeftOut)} replaced by newer ones` : ""}`
        : "the buffers of no slow client filled up: use a longer --duration, or let the load test publish (--nats)",
    ),
  ];
}
