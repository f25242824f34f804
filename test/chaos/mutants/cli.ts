/** `npm run chaos:mutants`: puts faults into the sources one by one, and checks that chaos finds each. */

import { spawn } from "node:child_process";
import { type Command, option, readCommand, valuesOrExit } from "@odin-ws/settings/command-line";
import { listOf, nonEmpty, whole } from "@odin-ws/settings/values";
import { apply, copySources } from "./copy.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";

const command = {
  name: "npm run chaos:mutants",
  usage: "npm run chaos:mutants -- [options]",
  about: `Puts faults into copies of the gateway, the client and the publisher, one by one, and runs npm run chaos with each.
Prints what chaos finds. Fails when chaos does not find one of them. A run ends soon after its first violation.`,
  options: {
    seed: option("N", whole(0).default(7).describe("seed of the runs (7)")),
    minutes: option("M", whole(1, 600).default(5).describe("longest time of one run (5)")),
    faults: option(
      "KINDS",
      nonEmpty().optional().describe("only these kinds of faults, as in npm run chaos"),
    ),
    only: option(
      "LIST",
      listOf(whole(1, MUTANTS.length))
        .default([])
        .describe(`only these of the ${MUTANTS.length} mutants, by number`),
    ),
  },
} satisfies Command;

/** Violations that are shown when none of them shows the mutant. */
const SHOWN = 5;

const { seed, minutes, faults, only } = valuesOrExit(command, readCommand(command, process.argv.slice(2)));
const folder = copySources();
let missed = 0;
for (const [index, mutant] of MUTANTS.entries()) {
  if (only.length > 0 && !only.includes(index + 1)) continue;
  const restore = apply(folder, mutant);
  const from = performance.now();
  const { code, output } = await chaos();
  restore();
  const seconds = Math.round((performance.now() - from) / 1000);
  const line = violation(mutant, output);
  const isFound = code === 1 && line !== undefined;
  if (!isFound) missed++;
  console.log(`${isFound ? "found" : "NOT FOUND"} in ${seconds} s: ${index + 1}. ${mutant.name}`);
  const shown = line === undefined ? violationsOf(output).slice(0, SHOWN) : [line];
  for (const one of shown) console.log(`    ${one}`);
  if (shown.length === 0) console.log(`    no violation:\n${output.slice(-2000)}`);
}
console.log(missed === 0 ? "chaos has found all mutants" : `chaos has not found ${missed} mutants`);
process.exitCode = missed === 0 ? 0 : 1;

/** The first violation that shows the mutant. */
function violation({ found }: Mutant, output: string): string | undefined {
  return violationsOf(output).find((line) => found.test(line));
}

/** The lines of chaos with violations: a time, who it was, and what. Lines with faults have no colon. */
function violationsOf(output: string): string[] {
  const lines = output.split("\n").filter((line) => /^ *-?[\d.]+ s {2}[^:]+: /.test(line));
  return lines.map((line) => line.trim());
}

function chaos(): Promise<{ code: number | null; output: string }> {
  const args = ["test/chaos/cli.ts", "--seed", String(seed), "--minutes", String(minutes), "--runs", "0"];
  if (faults !== undefined) args.push("--faults", faults);
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
    });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}
