/**
 * `npm run soak`: the load test for a long time against one gateway, some of its clients slow. Memory and
 * latency may not grow, and no message may be lost.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, option, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { decimal, nonEmpty, whole } from "@odin-ws/settings/values";
import { natsServerPath, runAndExit } from "../command.ts";
import { startNats } from "../nats.ts";
import { NODE_FLAGS, stop } from "../process.ts";
import { PEERS } from "../recovery/servers.ts";
import { growthOf, type Second, thirdsOf } from "./thirds.ts";

const LOADTEST = fileURLToPath(new URL("../../loadtest/src/cli.ts", import.meta.url));
const DRAIN_SECONDS = 5;
const MINUTE_SECONDS = 60;

const COMMAND = {
  name: "npm run soak",
  about: `Runs a gateway, NATS and the load test "slow-clients" on this machine for a long time. Compares memory and latency of
the first and the last third of the run, and fails when one of them grows, or when a message is lost. The slow clients
read nothing from a tenth to six tenths of the run. A gateway needs some minutes until it has its size, so a run of less
than a quarter of an hour shows only that the command works.`,
  options: {
    minutes: option("M", decimal(0.5, 1440).default(30).describe("length of the traffic (30)")),
    clients: option("N", whole(10, 100_000).default(10_000).describe("clients (10000)")),
    rate: option(
      "N",
      decimal(0.1, 10_000).default(30).describe("messages a second, each to 12.1 % of the clients (30)"),
    ),
    slow: option("PERCENT", decimal(0.1, 90).default(1).describe("percent of the clients that are slow (1)")),
    out: option("FOLDER", nonEmpty().default("dist/soak").describe("folder for the report (dist/soak)")),
  },
} satisfies Command;

const options = valuesOrExit(COMMAND, readCommand(COMMAND, process.argv.slice(2)));

/** The part of the load test's report that is used here. */
interface Report {
  checks: { name: string; outcome: string; text: string }[];
  open: number;
  messages: number;
  deliveries: number;
  throttled: number;
  latency: { p50: number; p99: number; max: number };
  timeline: (Second & { deliveries: number })[];
}

async function main(): Promise<void> {
  const natsServer = await natsServerPath();
  const nats = await startNats(natsServer);
  const [odin] = PEERS;
  if (odin === undefined) throw new Error("there is no gateway to measure");
  const gateway = await odin.start({ nats: nats.url, drainSeconds: DRAIN_SECONDS });
  const folder = resolve(options.out);
  mkdirSync(folder, { recursive: true });
  const startedAt = Date.now();
  const code = await loadTest({
    "--connections": options.clients,
    "--duration": `${Math.round(options.minutes * MINUTE_SECONDS)}s`,
    "--rate": options.rate,
    "--slow": options.slow,
    "--nats": nats.url,
    "--url": `ws://127.0.0.1:${gateway.port}/ws`,
    "--metrics": new URL("/metrics", gateway.health).href,
    "--out": folder,
  });
  await stop(gateway.child);
  await nats.connection.close();
  await stop(nats.process);
  const file = newestReport(folder, startedAt);
  if (file === undefined) throw new Error(`the load test ended with ${code} and wrote no report`);
  const misses = print(JSON.parse(readFileSync(file, "utf8")) as Report);
  console.log(`All figures: ${file}`);
  process.exitCode = misses === 0 && code === 0 ? 0 : 1;
}

async function loadTest(args: Readonly<Record<string, string | number>>): Promise<number | null> {
  const child = spawn(
    process.execPath,
    [...NODE_FLAGS, LOADTEST, "slow-clients", ...Object.entries(args).flat().map(String)],
    { stdio: "inherit" },
  );
  const [code] = await once(child, "exit");
  return code as number | null;
}

function newestReport(folder: string, from: number): string | undefined {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return files.map((name) => join(folder, name)).findLast((file) => statSync(file).mtimeMs >= from);
}

/** Prints the figures. Returns the number of goals that were missed. */
function print({ checks, open, messages, deliveries, throttled, latency, timeline }: Report): number {
  // While clients connect, the gateway has not got its size yet.
  const seconds = timeline.filter((second) => second.deliveries > 0);
  const thirds = thirdsOf(seconds);
  console.log(`\n${seconds.length} s with traffic, ${open} clients at the end, ${messages} messages,`);
  console.log(`${deliveries} deliveries, ${throttled} times throttled, p99 ${latency.p99} ms\n`);
  console.log("| third | gateway's memory | p99 |\n|---|---|---|");
  for (const [index, { memoryMb, p99Ms }] of thirds.entries())
    console.log(`| ${index + 1} | ${memoryMb.toFixed(1)} MB | ${p99Ms.toFixed(1)} ms |`);
  const misses = [
    ...growthOf(thirds),
    ...checks.filter(({ outcome }) => outcome === "failed").map(({ name, text }) => `${name}: ${text}`),
  ];
  console.log(misses.length === 0 ? "\nno growth, no loss" : "");
  for (const miss of misses) console.log(`missed: ${miss}`);
  return misses.length;
}

await runAndExit(main);
