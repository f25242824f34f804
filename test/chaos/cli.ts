/** `npm run chaos`: makes faults by chance, and checks that clients lose no message silently. */

import { valuesOrExit } from "@odin-ws/settings/command-line";
import { exitCodeOf, untilSignal } from "@odin-ws/settings/signals";
import { findProgram, howToGet } from "../../tools/programs/programs.ts";
import { enterNamespace, whyNoNamespace } from "./namespace.ts";
import { chaosCommand, readChaosOptions } from "./options.ts";
import { type Outcome, run } from "./run.ts";
import { describeFault, type Fault, possibleKinds, schedule } from "./schedule.ts";
import { shortest } from "./shortest.ts";
import type { Size } from "./site/sizes.ts";

/** Violations that are printed. */
const SHOWN = 20;
/** Faults that are printed before the first violation. */
const TIMELINE = 30;
/** Time at the end of a run in which no fault begins, ms: the faults that have begun end there. */
const END_MS = 10_000;

const options = valuesOrExit(chaosCommand, readChaosOptions(process.argv.slice(2)));
if (findProgram("nats-server") === undefined) {
  console.error(howToGet("nats-server"));
  process.exit(1);
}
const obstacle = whyNoNamespace();
if (obstacle === undefined) enterNamespace();
else console.log(`faults of packets and disks are left out, because they need namespaces: ${obstacle}`);
// The guards of test/harness end all processes that this one has started.
const request = untilSignal({ endAtOnce: (signal) => process.exit(exitCodeOf(signal)) });
const { seed, minutes, gateways, workers, clients, rate, channels, runs } = options;
const natsServers = Number(options.nats ?? (seed % 2 === 1 ? 3 : 1));
const site = { seed, natsServers, gateways, workers, viewers: clients, channels, rate };
const kinds = possibleKinds(natsServers, obstacle === undefined).filter(
  (kind) => options.faults.length === 0 || options.faults.includes(kind),
);
if (kinds.length === 0) {
  console.error(
    `${options.faults} cannot be made here: leader-change needs --nats 3, others need namespaces`,
  );
  process.exit(1);
}
const faults = schedule({
  seed,
  lengthMs: Math.max(1, minutes * 60_000 - END_MS),
  gateways,
  lines: clients,
  natsServers,
  kinds,
});
console.log(
  `seed ${seed}: ${faults.length} faults in ${minutes} min; ${clients} clients, ${gateways} gateways with ${workers} processes, ${natsServers} NATS`,
);
try {
  const outcome = await run(site, faults, (line) => console.log(line), request.aborted);
  print(outcome);
  if (outcome.violations.length > 0) {
    process.exitCode = 1;
    await printShortest(outcome);
  }
} catch (error) {
  if (!request.aborted.aborted) throw error;
  process.exitCode = exitCodeOf(await request.signal);
} finally {
  request.dispose();
}
// Lines may still be broken by faults that were not over when a run ended.
process.exit();

function print(outcome: Outcome): void {
  const { violations, startedAt, stored, received, late, throttled, httpConnections, refetches } = outcome;
  const { wholeAfterMs, sizes } = outcome;
  const whole = wholeAfterMs === undefined ? "never" : `${wholeAfterMs} ms after the last fault`;
  console.log(
    `${stored} messages stored, ${received} received, ${late} of them late, ${throttled} times throttled, ${httpConnections} connections over HTTP, ${refetches} losses reported, all complete ${whole}`,
  );
  console.log(`gateways before: ${sizes.before.map(describeSize).join("; ")}`);
  console.log(`gateways after:  ${sizes.after.map(describeSize).join("; ")}`);
  if (violations.length === 0) {
    console.log(`seed ${seed}: no violation`);
    return;
  }
  for (const { at, who, what } of violations.slice(0, SHOWN))
    console.log(`${((at - startedAt) / 1000).toFixed(2).padStart(8)} s  ${who}: ${what}`);
  const more = violations.length - SHOWN;
  if (more > 0) console.log(`and ${more} more`);
  const first = firstAt(violations, startedAt);
  console.log("faults before the first violation:");
  if (first < (faults[0]?.at ?? 0)) console.log("    none");
  for (const fault of faults.filter(({ at }) => at <= first).slice(-TIMELINE))
    console.log(describeFault(fault));
  console.log(`seed ${seed}: ${violations.length} violations`);
}

function describeSize({ rssBytes, files, connections }: Size): string {
  return `${Math.round(rssBytes / 1_048_576)} MiB, ${files} descriptors, ${connections} connections`;
}

/** Milliseconds from the start to the first violation; an error of a client has no time. */
function firstAt(violations: Outcome["violations"], startedAt: number): number {
  return Math.min(...violations.map(({ at }) => (at === 0 ? Number.POSITIVE_INFINITY : at - startedAt)));
}

/** Runs parts of the faults up to the first violation again. Prints the shortest list that still fails. */
async function printShortest({ violations, startedAt }: Outcome): Promise<void> {
  if (runs === 0) return;
  const first = firstAt(violations, startedAt);
  const suspects = faults.filter(({ at }) => at <= first);
  if (suspects.length === 0) return console.log("the run fails without a fault");
  let count = 0;
  const fails = async (some: readonly Fault[]) => {
    const { violations: again } = await run(site, some, () => {}, request.aborted);
    console.log(`run ${++count}: ${some.length} faults, ${again.length} violations`);
    return again.length > 0;
  };
  console.log(`looking for the shortest list of faults that fails, in at most ${runs} runs`);
  const found = await shortest(suspects, fails, runs);
  console.log("the shortest list of faults that still fails:");
  for (const fault of found) console.log(describeFault(fault));
}
