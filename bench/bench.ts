/** `npm run bench`: compares this gateway with its peers. All do the same work, each in its own processes. */

import { loadavg } from "node:os";
import { resolve } from "node:path";
import { type Command, flag, option, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { boolean, choice, listOf, nonEmpty, whole } from "@odin-ws/settings/values";
import { natsServerPath, runAndExit, writeJson } from "./command.ts";
import { type Summary, summarize } from "./figures.ts";
import { type HttpFigures, measureHttp } from "./http/measure-http.ts";
import { measure, PARTS, type Run, type Settings } from "./measure.ts";
import { planFor } from "./messages.ts";
import { httpTable, machine, subjectTables, targetTable } from "./report.ts";
import { SUBJECTS } from "./subjects.ts";
import { verdicts } from "./targets.ts";
import { wireUnavailable } from "./wire.ts";

/** Many machines limit a process to 20,000 open files, and the load process has one for each connection. */
const MAX_CONNECTIONS = 18_000;
const MAX_SECONDS = 300;
const MAX_ROUNDS = 10;
/** Connections of the part `http`, for each way to receive: one process holds them all. */
const MAX_HTTP = 1000;

interface Choice {
  settings: Settings;
  rounds: number;
  only: readonly string[];
  /** Whether clients over HTTP are measured. */
  http: boolean;
  json: string;
}

const NAMES = SUBJECTS.map(({ name }) => name);

const COMMAND = {
  name: "npm run bench",
  about: `Measures this gateway and its peers with the same work, each in processes of its own. Takes about 20 minutes and
connects only to this machine. Needs Linux, because CPU and memory are read from /proc.`,
  options: {
    connections: option(
      "N",
      whole(1, MAX_CONNECTIONS).optional().describe("connections of each subject (10000; 1000 with --quick)"),
    ),
    seconds: option(
      "N",
      whole(1, MAX_SECONDS).optional().describe("length of each measurement (15; 3 with --quick)"),
    ),
    rounds: option(
      "N",
      whole(1, MAX_ROUNDS).optional().describe("how often each subject is measured (2; 1 with --quick)"),
    ),
    only: option(
      "LIST",
      listOf(choice(NAMES))
        .default(NAMES)
        .describe(`measures only these subjects, separated by commas: ${NAMES.join(", ")}`),
    ),
    parts: option(
      "LIST",
      listOf(choice([...PARTS, "http"]))
        .default([...PARTS, "http"])
        .describe(
          "measures only these parts: all (all connections), busy (few clients that get every message), wire (bytes on a network interface; only root can create one), http (polls and server-sent events, only of this gateway)",
        ),
    ),
    quick: flag(boolean().default(false).describe("a short run, whose figures are less precise")),
    json: option(
      "FILE",
      nonEmpty().default("dist/bench.json").describe("file for all figures (dist/bench.json)"),
    ),
  },
} satisfies Command;

function readArguments(): Choice {
  const read = valuesOrExit(COMMAND, readCommand(COMMAND, process.argv.slice(2)));
  const { quick, only, json } = read;
  const parts = PARTS.filter(
    (part) => read.parts.includes(part) && (part !== "wire" || wireUnavailable() === undefined),
  );
  return {
    only: parts.length > 0 ? only : [],
    http: read.parts.includes("http"),
    rounds: read.rounds ?? (quick ? 1 : 2),
    json: resolve(json),
    settings: {
      parts,
      plan: planFor(read.connections ?? (quick ? 1_000 : 10_000)),
      seconds: read.seconds ?? (quick ? 3 : 15),
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
        for (const [reason, count] of Object.entries(run.many?.refused ?? {}))
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
  const chosen = readArguments();
  if (process.platform !== "linux")
    throw new Error("the bench needs Linux, because it reads CPU and memory from /proc");
  const nats = await natsServerPath();
  const { settings } = chosen;
  const { connections, subscribers } = settings.plan;
  const { cpu, cores, memoryGiB, node, kernel } = machine();
  console.log(
    `${cpu}, ${cores} cores shared by the server and the load, ${memoryGiB} GiB, Node ${node}, ${kernel}`,
  );
  console.log(
    `${connections} connections with 5 channels, ${subscribers} subscribers for each message, windows of ${settings.seconds} s, load average before the start ${loadavg()[0]?.toFixed(2)}\n`,
  );

  const unavailable = wireUnavailable();
  if (unavailable !== undefined) console.log(`Bytes on the interface are not measured: ${unavailable}\n`);

  const { runs, errors } = await runAll(chosen, nats);
  let http: HttpFigures[] = [];
  if (chosen.http) {
    http = await measureHttp({
      nats,
      seconds: settings.seconds,
      connections: Math.min(connections, MAX_HTTP),
    });
    errors.push(...http.flatMap((figures) => figures.errors));
    console.log(`\n${httpTable(http)}`);
  }
  const summaries: Map<string, Summary> = summarize(runs);
  const figures = new Map([...summaries].map(([name, { median }]) => [name, median]));
  const targets = verdicts(figures, connections);
  if (runs.length > 0) console.log(`\n${subjectTables(summaries)}\n\n${targetTable(targets)}`);

  const report = {
    machine: machine(),
    at: new Date().toISOString(),
    settings,
    subjects: Object.fromEntries(summaries),
    targets,
    errors,
    runs,
    http,
  };
  console.log(`\nAll figures: ${writeJson(chosen.json, report)}`);
  for (const error of errors) console.error(`failed: ${error}`);
  process.exitCode = errors.length > 0 ? 1 : 0;
}

await runAndExit(main);
