/** `npm run bench:connections`: how much memory and CPU many connections to one gateway take. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, resolve } from "node:path";
import { type Command, flag, option, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { boolean, choice, listOf, nonEmpty, whole } from "@odin-ws/settings/values";
import { natsServerPath, runAndExit, writeJson } from "../command.ts";
import { type NatsServer, startNats } from "../nats.ts";
import { stop } from "../process.ts";
import { machine } from "../report.ts";
import { Crowd } from "./crowd.ts";
import { GatewayFleet } from "./gateway-fleet.ts";
import type { Counts } from "./load-messages.ts";
import { problemsOf, processesFor, readMachine } from "./machine-limits.ts";
import { plotOf } from "./plot.ts";
import { combined, emptyReport, type Report } from "./report.ts";
import { failuresOf, tablesOf } from "./tables.ts";
import { measureComeback, measureEmpty, measureFanout, measureStep, type Trial } from "./trials.ts";

const MAX_CONNECTIONS = 1_000_000;
const STEPS = [10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];
const AUDIENCE = 12_100;
const PARTS = ["idle", "worker", "gateway", "load", "fanout"] as const;

const COMMAND = {
  name: "npm run bench:connections",
  about: `Measures one gateway with many connections on this machine: memory and CPU of idle connections that are subscribed,
the return of all clients after a worker or the whole gateway has ended, and the delivery of one message to 12,100 of them.
Needs Linux. 250,000 connections need about 12 GB of memory and 10 minutes; the command says first which limits of
the machine are too low. Parts can be measured one after the other with --add.`,
  options: {
    connections: option(
      "N",
      whole(1, MAX_CONNECTIONS)
        .default(250_000)
        .describe("idle connections, of idle, worker and gateway (250000)"),
    ),
    "load-connections": option(
      "N",
      whole(1, MAX_CONNECTIONS)
        .optional()
        .describe("connections of load and fanout (100000, or --connections if that is less)"),
    ),
    parts: option(
      "LIST",
      listOf(choice([...PARTS]))
        .default([...PARTS])
        .describe(
          "idle (connections step by step), worker (one worker is killed), gateway (the gateway is killed, and another one takes all clients), load (connections are opened while messages flow), fanout (messages alone)",
        ),
    ),
    rate: option(
      "N",
      whole(1, 100_000).default(1000).describe("connections a second of the part load (1000)"),
    ),
    workers: option(
      "N",
      whole(1, 64)
        .optional()
        .describe("gateway processes; default: as few as the limit of open files allows"),
    ),
    "load-workers": option(
      "N",
      whole(1, 64).default(8).describe("the same for the parts load and fanout (8)"),
    ),
    audience: option(
      "N",
      whole(1, MAX_CONNECTIONS).default(AUDIENCE).describe("connections that get each message (12100)"),
    ),
    seconds: option(
      "N",
      whole(1, 300).default(10).describe("length of each measurement without events (10)"),
    ),
    set: option(
      "LIST",
      listOf(nonEmpty()).default([]).describe("settings of the gateway, NAME=VALUE, separated by commas"),
    ),
    json: option(
      "FILE",
      nonEmpty()
        .default("dist/bench-connections.json")
        .describe("file for all figures (dist/bench-connections.json)"),
    ),
    svg: option(
      "FILE",
      nonEmpty()
        .default("dist/bench-connections.svg")
        .describe("file for the plot (dist/bench-connections.svg)"),
    ),
    add: flag(boolean().default(false).describe("keeps the figures of other parts in --json")),
  },
} satisfies Command;

const options = valuesOrExit(COMMAND, readCommand(COMMAND, process.argv.slice(2)));
const cores = availableParallelism();
const report: Report = emptyReport(machine());
const before =
  options.add && existsSync(options.json)
    ? (JSON.parse(readFileSync(options.json, "utf8")) as Report)
    : undefined;
const settings = Object.fromEntries(
  options.set.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
);
const wants = (part: (typeof PARTS)[number]) => options.parts.includes(part);
const say = (line: string) => console.log(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${line}`);

function onProgress({ subscribed, connecting, failures }: Counts): void {
  say(`${subscribed} subscribed, ${connecting} are connecting, failed attempts: ${failuresOf(failures)}`);
}

/**
 * WS_MAX_CONNECTIONS of the gateway. A full gateway would refuse clients of a worker that has just ended,
 * until their old seats are free.
 */
const roomFor = (connections: number): number => Math.ceil(connections * 1.1);

function planned(connections: number, workers: number | undefined) {
  const limits = readMachine(cores);
  const processes = processesFor(roomFor(connections), limits, workers);
  const problems = problemsOf(roomFor(connections), limits, processes);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return processes;
}

const startGateway = (nats: NatsServer, connections: number, workers: number) =>
  GatewayFleet.start({
    nats: nats.url,
    connections: roomFor(connections),
    workers,
    cores,
    memory: totalmem(),
    settings,
  });

/** Starts a gateway and its clients, which do not connect yet, and measures the empty gateway. */
async function begin(nats: NatsServer, connections: number, wanted: number | undefined) {
  const { workers, loads } = planned(connections, wanted);
  const audience = Math.min(options.audience, connections);
  say(`a gateway with ${workers} workers, ${loads} load processes`);
  const gateway = await startGateway(nats, connections, workers);
  const crowd = await Crowd.start({ loads, port: gateway.port, viewers: connections, audience });
  const trial: Trial = { gateway, crowd, workers, seconds: options.seconds, onProgress };
  try {
    const { empty, base } = await measureEmpty(trial);
    report.empty.push(empty);
    save();
    return { trial, audience, empty, base };
  } catch (error) {
    await crowd.dispose();
    await gateway.kill();
    throw error;
  }
}

/** Idle connections, then the end of a worker and of the gateway. */
async function measureIdle(nats: NatsServer): Promise<void> {
  const { connections } = options;
  const { trial, empty, base } = await begin(nats, connections, options.workers);
  const { crowd, workers } = trial;
  let { gateway } = trial;
  try {
    const steps = wants("idle") ? STEPS.filter((step) => step < connections) : [];
    for (const step of [...steps, connections]) {
      const figures = await measureStep(trial, step, { base, empty });
      if (wants("idle")) report.steps.push(figures);
      save();
      say(
        `${figures.connections} connections are open, the last ${figures.opened} in ${figures.seconds.toFixed(1)} s`,
      );
      if (figures.connections < step)
        throw new Error(`only ${figures.connections} of ${step} could be opened`);
    }
    if (wants("worker")) {
      const comeback = await measureComeback(trial, "worker", async () => gateway.killWorker());
      report.comebacks.push(comeback);
      save();
      say(`a worker was killed: ${comeback.lost} clients lost, ${comeback.missing} are missing`);
    }
    if (wants("gateway")) {
      const next = await startGateway(nats, connections, workers);
      const comeback = await measureComeback(trial, "gateway", async () => {
        await crowd.moveTo(next.port);
        await gateway.kill();
        gateway = next;
      });
      report.comebacks.push(comeback);
      save();
      say(`the gateway was killed: ${comeback.missing} of ${comeback.lost} clients are missing`);
      console.log(`      refused by the other gateway: ${JSON.stringify(await next.refusals())}`);
    }
  } finally {
    await crowd.dispose();
    await gateway.kill();
  }
}

/** Messages to a part of the connections. */
async function measureMessages(nats: NatsServer): Promise<void> {
  const connections = options["load-connections"] ?? Math.min(options.connections, 100_000);
  const { seconds, rate } = options;
  const { trial, audience, empty, base } = await begin(nats, connections, options["load-workers"]);
  try {
    if (wants("load")) {
      const open = { connections, rate };
      const figures = await measureFanout(trial, { nats: nats.connection, audience, seconds, open });
      report.fanouts.push(figures);
      save();
      say(`${figures.connections} connections were opened while ${figures.messages} messages were delivered`);
    } else await measureStep({ ...trial, seconds: 1 }, connections, { base, empty });
    if (wants("fanout")) {
      const figures = await measureFanout(trial, { nats: nats.connection, audience, seconds });
      report.fanouts.push(figures);
      save();
      say(`${figures.messages} messages: p99 ${figures.latency.p99.toFixed(1)} ms`);
    }
  } finally {
    await trial.crowd.dispose();
    await trial.gateway.kill();
  }
}

/** The figures of this run, with those of earlier ones that are kept. */
function kept(): Report {
  return before === undefined ? report : combined(before, report);
}

/** Writes the figures so far: a run that is interrupted keeps what was measured. */
function save(): void {
  writeJson(options.json, kept());
}

function show(): void {
  const svg = resolve(options.svg);
  mkdirSync(dirname(svg), { recursive: true });
  writeFileSync(svg, plotOf(kept()));
  console.log(`\n${tablesOf(kept())}\n\nAll figures: ${resolve(options.json)}\nThe plot: ${svg}`);
}

async function main(): Promise<void> {
  if (process.platform !== "linux") throw new Error("this command needs Linux, because it reads /proc");
  const natsServer = await natsServerPath();
  const { cpu, memoryGiB, node, kernel } = report.machine;
  console.log(`${cpu}, ${cores} cores for gateway and load, ${memoryGiB} GiB, Node ${node}, ${kernel}\n`);
  const nats = await startNats(natsServer);
  try {
    if (wants("idle") || wants("worker") || wants("gateway")) await measureIdle(nats);
    if (wants("load") || wants("fanout")) await measureMessages(nats);
  } finally {
    await nats.connection.close();
    await stop(nats.process);
    show();
  }
}

await runAndExit(main);
