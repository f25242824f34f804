/** All commands have one form of help and one form of mistakes. */

import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PATIENCE_MS = 60_000; // ms
const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8")) as {
  scripts: Record<string, string>;
};

/** Scripts of package.json, with options that they have. */
const COMMANDS: Record<string, readonly string[]> = {
  start: [],
  gateway: [],
  publisher: [],
  publish: ["--rate N", "--seconds N", "--seed N", "--tokens N", "--url URL"],
  revoke: ["--user SUB", "--jti ID", "--for TIME", "--url URL"],
  loadtest: ["--connections N", "--duration TIME", "--url URL", "--max-p99 MS", "--at-once"],
  preview: [
    "--stack STACK",
    "--traffic-gib N",
    "--users N",
    "--load-report FILE",
    "--out FOLDER",
    "--json FILE",
    "--svg FILE",
  ],
  limits: ["--stack STACK", "--connections N", "--curve FILE", "--boot-seconds N", "--encodings LIST"],
  render: ["--stack STACK", "--out FOLDER"],
  recover: ["--stack STACK"],
  monitoring: ["--gateway HOST:PORT", "--nats", "--port NAME=PORT"],
  smoke: ["--secure-url URL", "--secure-required", "--auth jwt|none", "--deadline SECONDS"],
  chaos: ["--seed N", "--minutes M", "--faults KINDS", "--nats N", "--clients N", "--runs N"],
  "chaos:mutants": ["--seed N", "--minutes M", "--only LIST"],
  simulate: ["--seed N", "--schedules N"],
  bench: ["--connections N", "--only LIST", "--parts LIST", "--quick", "--json FILE"],
  "bench:recovery": ["--scenarios LIST", "--only LIST", "--clients N", "--drain N", "--json FILE"],
  "bench:connections": [
    "--connections N",
    "--parts LIST",
    "--workers N",
    "--audience N",
    "--add",
    "--svg FILE",
  ],
};

/** Runs a script as npm does, without npm. */
function run(name: string, ...args: string[]) {
  const [program, ...given] = (scripts[name] ?? "").replace(/^exec /, "").split(" ");
  assert.equal(program, "node", `the script ${name}`);
  // Without the settings of this process: some of them are variables of the commands.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME };
  return spawnSync(process.execPath, [...given, ...args], {
    cwd: ROOT,
    encoding: "utf8",
    env,
    timeout: PATIENCE_MS,
    input: "",
  });
}

const called = (name: string) => (name === "start" ? "npm start" : `npm run ${name}`);

/** A value that a command does not allow, and the mistake that it reports. */
const WRONG_VALUES: Record<string, readonly [option: string, mistake: string]> = {
  publish: ["--rate", "must be a number from 0.1 to 100000"],
  revoke: ["--for", "must be a time from 1s to 87600h such as 500ms, 30s, 5m or 1h"],
  loadtest: ["--workers", "must be a whole number from 1 to 64"],
  preview: ["--traffic-gib", "must be a number from 0 to 1000000000000"],
  limits: ["--cpu", "must be a whole number from 1 to 200"],
  chaos: ["--gateways", "must be a whole number from 2 to 8"],
  "chaos:mutants": ["--minutes", "must be a whole number from 1 to 600"],
  render: ["--stack", "must be one of "],
  monitoring: [
    "--gateway",
    "must be HOST:PORT with a port from 1 to 65535, for example 127.0.0.1:3002, " +
      "or several separated by commas",
  ],
  smoke: ["--deadline", "must be a number from 1 to 3600"],
  simulate: ["--schedules", "must be a whole number from 1 to 10000000"],
  bench: ["--rounds", "must be a whole number from 1 to 10"],
  "bench:recovery": ["--away", "must be a whole number from 1 to 3600"],
  "bench:connections": ["--workers", "must be a whole number from 1 to 64"],
};

describe("command lines", () => {
  for (const [name, options] of Object.entries(COMMANDS)) {
    test(`${called(name)} --help explains every option and starts nothing`, () => {
      const { status, stdout, stderr } = run(name, "--no-such-option", "--help");
      assert.deepEqual([status, stderr], [0, ""]);
      assert.ok(stdout.startsWith(called(name)), stdout);
      assert.match(stdout, /^ {2}--help +shows this text$/m);
      for (const option of options) assert.ok(stdout.includes(`\n  ${option} `), `${option} in:\n${stdout}`);
    });

    test(`${called(name)} reports each mistake in one line, and how to get help`, () => {
      const [option, mistake] = WRONG_VALUES[name] ?? [];
      const wrongValue = option === undefined ? [] : [option, "fast"];
      const { status, stdout, stderr } = run(name, ...wrongValue, "--no-such-option", "--another=1", "-x");
      assert.deepEqual([status, stdout], [2, ""]);
      const lines = stderr.split("\n");
      assert.equal(lines.pop(), "");
      assert.equal(lines.pop(), `${called(name)} -- --help shows what is allowed`);
      for (const unknown of ["--no-such-option", "--another", "-x"])
        assert.ok(lines.includes(`${unknown} is not an option`), stderr);
      if (option !== undefined)
        assert.ok(
          lines.some((line) => line.startsWith(`${option} ${mistake}`) && line.endsWith(', not "fast"')),
          stderr,
        );
      // Other lines are about words and options that are missing.
      for (const line of lines)
        assert.match(
          line,
          /^(\S+ is not an option|\S+ must be .+, not "fast"|\S+ is missing: it must be .+)$/,
        );
    });
  }
});
