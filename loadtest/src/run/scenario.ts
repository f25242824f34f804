/** What a scenario does while messages flow: it breaks connections, or makes clients slow. */

import type { Options } from "../settings/options.ts";
import { runCommand } from "./kill-command.ts";
import type { RunWorkers } from "./worker-pool.ts";

/** Part of the traffic's time over which slow clients resume reading, one after the other. */
const RESUME_READING = 0.2;

export interface ScenarioContext {
  options: Pick<Options, "scenario" | "rounds" | "kill">;
  workers: RunWorkers;
  /** Number of clients that stop reading. */
  slow: number;
  /** Ctrl-C. */
  stop: AbortSignal;
  /** Sleeps; returns early when the run is to end. */
  wait(ms: number): Promise<void>;
  /** Marks this moment in the plots of the report. */
  mark(name: string): void;
  /** Collects what went wrong with the command of `--kill`. */
  commandFailures: string[];
}

/** Runs the scenario's actions for `ms`. */
export async function playScenario(context: ScenarioContext, ms: number): Promise<void> {
  const { options, stop, wait } = context;
  const begin = performance.now();
  const until = (share: number) => wait(begin + ms * share - performance.now());
  if (options.scenario === "reconnect") {
    const { rounds } = options;
    for (let round = 1; round <= rounds && !stop.aborted; round++) {
      await until((round - 0.75) / rounds);
      if (!stop.aborted) await breakConnections(context, round, begin + ms - performance.now());
    }
  } else if (options.scenario === "slow-clients") {
    await until(0.1);
    await setSlowReading(context, false, 0);
    await until(0.6);
    await setSlowReading(context, true, ms * RESUME_READING);
  }
  await until(1);
}

async function setSlowReading(
  { workers, slow, mark }: ScenarioContext,
  reading: boolean,
  overMs: number,
): Promise<void> {
  mark(reading ? "clients resume reading" : `${slow} clients stop reading`);
  await workers.ask<"setSlowReading">({ kind: "setSlowReading", reading, overMs });
}

/** @param withinMs how long a command may take, ms */
async function breakConnections(
  { options: { kill }, workers, stop, mark, commandFailures }: ScenarioContext,
  round: number,
  withinMs: number,
): Promise<void> {
  mark(`break ${round}`);
  if (kill === undefined) {
    await workers.ask<"disconnect">({ kind: "disconnect" });
    return;
  }
  const failure = await Promise.race([runCommand(kill, withinMs, stop), workers.failed]);
  if (failure !== undefined) commandFailures.push(`${JSON.stringify(kill)} ${failure}`);
}
