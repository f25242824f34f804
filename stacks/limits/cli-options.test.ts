import assert from "node:assert/strict";
import { test } from "node:test";
import { HELP, readLimitsOptions } from "./cli-options.ts";

const read = (...args: string[]) => readLimitsOptions(args, ["prod", "staging"]);
const mistakes = (...args: string[]) => {
  const options = read(...args);
  return options !== "help" && "mistakes" in options ? options.mistakes : [];
};

test("numbers and defaults", () => {
  const nothing = {
    curve: undefined,
    cpu: undefined,
    min: undefined,
    target: undefined,
    bootSeconds: undefined,
  };
  assert.deepEqual(read("--stack", "prod", "--connections", "45000", "--max", "6"), {
    ...{
      stack: "prod",
      connections: 45_000,
      from: 0,
      rampMinutes: 30,
      max: 6,
      svg: undefined,
      json: undefined,
    },
    ...nothing,
  });
  assert.equal(read("--help"), "help");
});

test("every option that is read is in the help", () => {
  for (const name of [
    "stack",
    "connections",
    "ramp-minutes",
    "from",
    "curve",
    "cpu",
    "min",
    "max",
    "target",
    "boot-seconds",
    "svg",
    "json",
  ])
    assert.ok(HELP.includes(`--${name} `), name);
});

test("every mistake has its line", () => {
  assert.deepEqual(mistakes(), ["--stack is missing: one of prod, staging"]);
  assert.deepEqual(mistakes("--stack", "live", "--cpu", "0", "--max", "many"), [
    "--stack is live: one of prod, staging",
    "--cpu is 0: a whole number from 1 to 200",
    "--max is many: a whole number from 1 to 100",
  ]);
  assert.deepEqual(mistakes("--stack", "prod", "--min", "5", "--max", "3", "--svg", ""), [
    "--min is 5: at most --max, which is 3",
    "--svg is empty: a path",
  ]);
  assert.deepEqual(mistakes("--stack", "prod", "--curve", "/nowhere.csv", "--from", "1"), [
    "--curve is instead of --connections, --from and --ramp-minutes",
    "--curve /nowhere.csv: no such file",
  ]);
  assert.match(mistakes("--connection", "5")[0] ?? "", /Unknown option '--connection'/);
});
