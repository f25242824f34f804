/** Judges a run: every check says what it found, and a check that could not be made says why. */

import { type Balance, FAULTS, type FaultName } from "../control.ts";
import type { Options } from "../settings/options.ts";
import type { Check, Result } from "./result.ts";

/** What the checks need to know beside the result. */
export interface Evidence {
  options: Options;
  result: Omit<Result, "checks" | "outcome">;
  balance: Balance | undefined;
  ledgerConflicts: readonly string[];
  unsettled: number;
  /** Ctrl-C: what has not begun yet cannot be judged. */
  stopped: boolean;
  /** Of each channel that the load test publishes on. */
  subscribers: number;
  /** Of `--kill`. */
  commandFailures: readonly string[];
  feedFailures: { count: number; first: string };
  /** Own count around the gateway's last one; undefined when these cannot be compared. */
  counts: { gateway: number; least: number; most: number } | string;
}

const number = (value: number): string => value.toLocaleString("en-US", { maximumFractionDigits: 2 });

const ms = (value: number): string => (value >= 1000 ? `${number(value / 1000)} s` : `${number(value)} ms`);

function check(name: string, ok: boolean, text: string): Check {
  return { name, outcome: ok ? "passed" : "failed", text };
}
const skipped = (name: string, why: string): Check => ({ name, outcome: "skipped", text: why });

const STOPPED = "the run was stopped before it could be told";

function served({ options, result, stopped }: Evidence): Check {
  const name = "Connections served to the end";
  if (stopped && result.mostOpen < options.connections)
    return skipped(name, `${STOPPED}: ${number(result.open)} of ${number(options.connections)}`);
  const share = (100 * result.open) / options.connections;
  const refusals = Object.entries(result.refused).map(([reason, count]) => `${number(count)} × ${reason}`);
  return check(
    name,
    share >= options.minSuccess,
    `${number(result.open)} of ${number(options.connections)} (at least ${options.minSuccess} %)` +
      (refusals.length > 0 ? `; refused on the way: ${refusals.join(", ")}` : ""),
  );
}

function connectTime({ options, result, stopped }: Evidence): Check {
  const name = "Time to connect, 99th percentile";
  const { p99, samples } = result.connect;
  if (samples === 0) return stopped ? skipped(name, STOPPED) : check(name, false, "no connection was made");
  const never = samples - result.served;
  return check(
    name,
    p99 <= options.maxP99Ms,
    `${ms(p99)} from when each was due (at most ${options.maxP99Ms} ms)` +
      (never > 0 ? `; ${number(never)} were never served, and count with how long they waited` : ""),
  );
}

function latency(evidence: Evidence): Check {
  const { options, result, stopped } = evidence;
  const name = "Latency, 99th percentile";
  if (options.scenario === "connection-rate") return connectTime(evidence);
  const worst = result.stages.toSorted((a, b) => b.latency.p99 - a.latency.p99)[0];
  if (worst === undefined || result.latency.samples === 0)
    return stopped
      ? skipped(name, STOPPED)
      : check(name, false, "no live message arrived: is anything published?");
  const where = result.stages.length > 1 ? ` in the stage ${worst.name}` : "";
  const silent = result.stages.find(({ latency: { samples } }) => samples === 0);
  if (silent !== undefined && !stopped)
    return check(name, false, `no live message arrived in the stage ${silent.name}`);
  return check(
    name,
    worst.latency.p99 <= options.maxP99Ms,
    `${ms(worst.latency.p99)}${where} (at most ${options.maxP99Ms} ms)`,
  );
}

function loss({ result, balance, unsettled }: Evidence): Check[] {
  const name = "Every message to every subscriber";
  if (balance === undefined) return [check(name, false, "the run ended before it could be counted")];
  if (result.deliveries === 0) {
    return result.published > 0
      ? [check(name, false, `${number(result.published)} messages were published, and none arrived`)]
      : [skipped(name, NOTHING)];
  }
  const found =
    result.published > 0
      ? `${number(result.published)} messages published, from the stream to each subscriber`
      : `${number(result.messages)} messages, each of them owed to all of its subscribers once one has it`;
  const checks = [
    check(
      name,
      balance.lost === 0 && unsettled === 0,
      [
        balance.lost > 0 &&
          `${number(balance.lost)} deliveries lost by ${number(balance.losers)} clients, without a word of the gateway`,
        unsettled > 0 && `${number(unsettled)} clients were not given everything by the end`,
      ]
        .filter((text) => text !== false)
        .join("; ") || found,
    ),
    check(
      "Nothing left out with notice",
      balance.announced === 0 && result.notRecovered === 0,
      `${number(balance.announced)} deliveries left out under throttling or overload, ${number(result.notRecovered)} resumes not recovered`,
    ),
    check(
      "Nothing that was not asked for",
      balance.unexpected === 0,
      `${number(balance.unexpected)} deliveries on channels without a subscription`,
    ),
  ];
  return checks;
}

/** A count that needs no audit, where every message goes to the same number of clients. */
function deliveries({ options, result, subscribers }: Evidence): Check[] {
  const { scenario, nats, connections } = options;
  if (nats === undefined || (scenario !== "sustained" && scenario !== "throughput")) return [];
  const name = "As many deliveries as published";
  if (result.published === 0) return [skipped(name, "nothing was published")];
  const whole = result.served === connections && result.open === connections;
  if (!whole) return [skipped(name, "not all clients were there all the time")];
  if (result.caughtUp > 0) return [skipped(name, "some came once more, on request")];
  const due = result.published * subscribers;
  return [
    check(
      name,
      result.deliveries === due,
      `${number(result.published)} messages to ${number(subscribers)} subscribers each are ${number(due)}; ${number(result.deliveries)} arrived`,
    ),
  ];
}

const NOTHING = "no message was delivered";

const FAULT_CHECKS: readonly [FaultName, string, string][] = [
  ["duplicate", "No message twice", "deliveries came twice"],
  ["reorder", "Order on each channel", "deliveries came out of order"],
  ["ended", "No connection ended by itself", "connections ended"],
  ["error", "No error message", "error messages"],
  ["epoch", "One stream throughout", "connections were told of another stream"],
];

function content({ options, result, ledgerConflicts }: Evidence): Check[] {
  const wrong = (result.faults.content ?? 0) + ledgerConflicts.length;
  const same = "The same content for all";
  const hash = "Hash of each message as published";
  if (result.deliveries === 0 && wrong === 0) return [skipped(same, NOTHING)];
  return [
    check(
      same,
      wrong === 0,
      wrong === 0
        ? `${number(result.deliveries)} deliveries compared byte for byte, ${number(result.messages)} messages read as JSON`
        : `${number(wrong)} deliveries or messages: ${FAULTS.content}`,
    ),
    options.nats === undefined
      ? skipped(hash, "the feed is not the load test's own (--nats): what was published is not known")
      : check(hash, wrong === 0, `number, moment and SHA-256 of ${number(result.messages)} messages`),
  ];
}

function ownPublishing({ options, result, feedFailures, stopped }: Evidence): Check {
  const name = "All messages stored by NATS";
  if (options.nats === undefined || options.scenario === "connection-rate")
    return skipped(name, "the load test did not publish");
  const { count, first } = feedFailures;
  if (stopped && count === 0 && result.published === 0) return skipped(name, STOPPED);
  return check(
    name,
    count === 0 && result.published > 0,
    count === 0 ? number(result.published) : `${count} were not: ${first}`,
  );
}

function counts({ counts: seen }: Evidence): Check {
  const name = "Own count agrees with the gateway's";
  if (typeof seen === "string") return skipped(name, seen);
  if (seen.most === 0 && seen.gateway === 0) return skipped(name, NOTHING);
  const ok = seen.gateway >= seen.least && seen.gateway <= seen.most;
  const width = (100 * (seen.most - seen.least)) / Math.max(seen.most, 1);
  const own =
    width === 0
      ? number(seen.most)
      : `${number(seen.least)} to ${number(seen.most)} (± ${number(width / 2)} %)`;
  return check(name, ok, `the gateway has sent ${number(seen.gateway)}, ${own} arrived`);
}

function reconnect({ options, result, stopped, commandFailures }: Evidence): Check[] {
  if (options.scenario !== "reconnect") return [];
  const name = "Resumed after every break";
  const breaks = result.marks.length;
  // A command may break some of them only: those that the load test saw break.
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
            : `${number(result.resumed)} of ${number(broken)} broken connections in ${breaks} breaks, half of them within ${ms(result.resume.p50)}, 99 % within ${ms(result.resume.p99)}`,
        );
  if (options.kill === undefined) return [resumed];
  const command = "The command that breaks them";
  if (breaks === 0) return [resumed, skipped(command, STOPPED)];
  const ok = commandFailures.length === 0;
  return [resumed, check(command, ok, ok ? `${breaks} times` : commandFailures.join("; "))];
}

function stages({ options, result }: Evidence): Check[] {
  if (options.scenario !== "throughput" || options.nats !== undefined || options.publisher !== undefined)
    return [];
  const [only] = result.stages;
  return [
    skipped(
      "A stage for each rate",
      `the feed is not the load test's to set (--nats or --publisher): one stage, ${only === undefined ? "cut short" : only.name}`,
    ),
  ];
}

function slow({ options, balance, stopped }: Evidence): Check[] {
  if (options.scenario !== "slow-clients" || balance === undefined) return [];
  const { slowTold, slowClosed, slowAnnounced } = balance;
  if (stopped && slowTold + slowClosed === 0) return [skipped("Slow clients noticed", STOPPED)];
  return [
    check(
      "Slow clients noticed",
      slowTold + slowClosed > 0,
      slowTold + slowClosed > 0
        ? `${number(slowTold)} throttled with notice, ${number(slowClosed)} disconnected as too slow, ${number(slowAnnounced)} of their deliveries left out with notice`
        : "no slow client's buffers filled: raise --duration, or let the load test publish (--nats)",
    ),
  ];
}

export function judge(evidence: Evidence): Check[] {
  const { options, result } = evidence;
  const all = [
    served(evidence),
    latency(evidence),
    ...loss(evidence),
    ...deliveries(evidence),
    ...content(evidence),
  ];
  for (const [fault, name, what] of FAULT_CHECKS) {
    const found = result.faults[fault] ?? 0;
    if (fault === "ended" && options.scenario === "reconnect") continue;
    const idle = found === 0 && result.deliveries === 0 && (fault === "duplicate" || fault === "reorder");
    all.push(idle ? skipped(name, NOTHING) : check(name, found === 0, `${number(found)} ${what}`));
  }
  return [
    ...all,
    ...stages(evidence),
    ...reconnect(evidence),
    ...slow(evidence),
    ownPublishing(evidence),
    counts(evidence),
  ];
}
