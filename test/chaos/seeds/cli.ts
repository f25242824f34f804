/** `npm run chaos:seeds`: runs chaos with many seeds, one after the other, and lists the results. */

import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, option, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { exitCodeOf, untilSignal } from "@odin-ws/settings/signals";
import { nonEmpty, whole } from "@odin-ws/settings/values";

const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));
const HEAD = "| seed | seconds | result |\n|---|---|---|\n";

const command = {
  name: "npm run chaos:seeds",
  usage: "npm run chaos:seeds -- [options]",
  about: `Runs npm run chaos with one seed after the other, and writes one line for each seed into a table in Markdown. A seed
with a violation does not end the command: its output, with the timeline, is printed. 100 seeds of five minutes take
nine hours.`,
  options: {
    from: option("N", whole(0).default(1).describe("first seed (1)")),
    count: option("N", whole(1, 100_000).default(100).describe("seeds (100)")),
    minutes: option("M", whole(1, 600).default(5).describe("length of each run (5)")),
    out: option(
      "FILE",
      nonEmpty().default("dist/chaos-seeds.md").describe("file of the table (dist/chaos-seeds.md)"),
    ),
  },
} satisfies Command;

const { from, count, minutes, out } = valuesOrExit(command, readCommand(command, process.argv.slice(2)));
const file = resolve(out);
mkdirSync(dirname(file), { recursive: true });
appendFileSync(file, HEAD);
const request = untilSignal({ endAtOnce: (signal) => process.exit(exitCodeOf(signal)) });
const failed: number[] = [];
let runs = 0;
for (let seed = from; seed < from + count && !request.aborted.aborted; seed++) {
  const start = performance.now();
  const { code, output } = await chaos(seed);
  if (request.aborted.aborted) break;
  runs++;
  const isWhole = code === 0 && output.includes(`seed ${seed}: no violation`);
  if (!isWhole) {
    failed.push(seed);
    console.log(output);
  }
  const seconds = Math.round((performance.now() - start) / 1000);
  const row = `| ${seed} | ${seconds} | ${resultOf(output, isWhole, code)} |`;
  appendFileSync(file, `${row}\n`);
  console.log(row);
}
const sum = `${runs} seeds of ${minutes} min, ${failed.length} with a violation`;
console.log(failed.length === 0 ? sum : `${sum}: ${failed.join(", ")}`);
console.log(`All results: ${file}`);
process.exitCode = request.aborted.aborted
  ? exitCodeOf(await request.signal)
  : Number(failed.length > 0 || runs < count);
request.dispose();

/** What the run says of itself: how much arrived, or what was wrong. */
function resultOf(output: string, isWhole: boolean, code: number | null): string {
  const lines = output.trim().split("\n");
  if (!isWhole) return `**${lines.find((line) => /: \d+ violations$/.test(line)) ?? `ended with ${code}`}**`;
  return lines.find((line) => line.includes(" messages stored, ")) ?? "";
}

function chaos(seed: number): Promise<{ code: number | null; output: string }> {
  const args = [CLI, "--seed", String(seed), "--minutes", String(minutes), "--runs", "0"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}
