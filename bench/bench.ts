/**
 * `npm run bench`: compares this gateway with its peers. All do the same work, each in its own processes.
 * Needs Linux to measure CPU and memory, takes about 12 minutes, and connects only to 127.0.0.1.
 *
 *   --connections 10000   --seconds 15 (of each window)   --rounds 2   --only gateway,ws   --quick   --json FILE
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { howToGet, program } from "@odin-ws/tools/programs";
import { type Summary, summarize } from "./figures.ts";
import { measure, type Run, type Settings } from "./measure.ts";
import { planFor } from "./messages.ts";
import { machine, subjectTables, targetTable } from "./report.ts";
import { SUBJECTS } from "./subjects.ts";
import { verdicts } from "./targets.ts";

/** Many machines limit a process to 20,000 open files, and the load process has one for each connection. */
const MAX_CONNECTIONS = 18_000;
const MAX_SECONDS = 300;
const MAX_ROUNDS = 10;

interface Choice {
  settings: Settings;
  rounds: number;
  only: readonly string[];
  json: string;
}

function whole(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`--${name} must be a whole number from 1 to ${max}, not ${text}`);
}

function readArguments(): Choice {
  const { values } = parseArgs({
    options: {
      connections: { type: "string" },
      seconds: { type: "string" },
      rounds: { type: "string" },
      only: { type: "string" },
      json: { type: "string" },
      quick: { type: "boolean", default: false },
    },
  });
  const { quick } = values;
  const connections = whole("connections", values.connections ?? (quick ? "1000" : "10000"), MAX_CONNECTIONS);
  const known = SUBJECTS.map(({ name }) => name);
  const only = values.only?.split(",") ?? known;
  const unknown = only.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`--only: no ${unknown.join(", ")} here; there are ${known.join(", ")}`);
  return {
    only,
    rounds: whole("rounds", values.rounds ?? (quick ? "1" : "2"), MAX_ROUNDS),
    json: resolve(values.json ?? "dist/bench.json"),
    settings: {
      plan: planFor(connections),
      seconds: whole("seconds", values.seconds ?? (quick ? "3" : "15"), MAX_SECONDS),
      idleSeconds: quick ? 3 : 10,
      settleSeconds: quick ? 1 : 4,
      inFlight: 100,
      broadcasts: quick ? 3 : 8,
    },
  };
}

/** Runs the chosen subjects in rounds, so that a slow phase of the machine affects all subjects alike. */
async function runAll(
  { settings, rounds, only }: Choice,
  nats: string,
): Promise<{ runs: Run[]; errors: string[] }> {
  const runs: Run[] = [];
  const errors: string[] = [];
  for (let round = 1; round <= rounds; round++) {
    // Every second round runs in reverse order, so that a steady drift of the machine cancels out.
    for (const subject of round % 2 === 1 ? SUBJECTS : SUBJECTS.toReversed()) {
      if (!only.includes(subject.name) || (round > 1 && !subject.everyRound)) continue;
      const begin = performance.now();
      const about = `${subject.name}, round ${round}`;
      try {
        const run = await measure(subject, nats, settings);
        runs.push(run);
        errors.push(...run.errors.map((error) => `${about}: ${error}`));
        for (const [reason, count] of Object.entries(run.refused))
          console.log(`  ${count} refused: ${reason}`);
      } catch (error) {
        errors.push(`${about}: ${(error as Error).message}`);
      }
      console.log(`${about}: ${((performance.now() - begin) / 1000).toFixed(0)} s`);
    }
  }
  return { runs, errors };
}

async function main(): Promise<void> {
  if (process.platform !== "linux")
    throw new Error("the bench needs Linux, because it reads CPU and memory from /proc");
  const choice = readArguments();
  const nats = await program("nats-server");
  if (nats === undefined) throw new Error(howToGet("nats-server"));
  const { settings } = choice;
  const { connections, subscribers } = settings.plan;
  const { cpu, cores, memoryGiB, node, kernel } = machine();
  console.log(
    `${cpu}, ${cores} cores shared by the server and the load, ${memoryGiB} GiB, Node ${node}, ${kernel}`,
  );
  console.log(
    `${connections} connections with 5 channels, ${subscribers} subscribers for each message, windows of ${settings.seconds} s, load average before the start ${loadavg()[0]?.toFixed(2)}\n`,
  );

  const { runs, errors } = await runAll(choice, nats);
  const summaries: Map<string, Summary> = summarize(runs);
  const figures = new Map([...summaries].map(([name, { median }]) => [name, median]));
  const targets = verdicts(figures, connections);
  if (runs.length > 0) console.log(`\n${subjectTables(summaries)}\n\n${targetTable(targets)}`);

  mkdirSync(dirname(choice.json), { recursive: true });
  const report = {
    machine: machine(),
    at: new Date().toISOString(),
    settings,
    subjects: Object.fromEntries(summaries),
    targets,
    errors,
    runs,
  };
  writeFileSync(choice.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`\nAll figures: ${choice.json}`);
  for (const error of errors) console.error(`failed: ${error}`);
  process.exitCode = errors.length > 0 ? 1 : 0;
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
process.exit();
