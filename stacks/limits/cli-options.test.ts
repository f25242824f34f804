import assert from "node:assert/strict";
import { test } from "node:test";
import { helpText } from "@odin-ws/settings/help";
import { trafficFrom } from "../traffic/options.ts";
import { limitsCommand, readLimitsOptions } from "./cli-options.ts";

const read = (...args: string[]) => readLimitsOptions(args, ["prod", "staging"]);
const mistakes = (...args: string[]) => {
  const options = read(...args);
  return options !== "help" && "mistakes" in options ? options.mistakes : [];
};

test("numbers and defaults", () => {
  const nothing = {
    regions: undefined,
    curve: undefined,
    cpu: undefined,
    min: undefined,
    target: undefined,
    bootSeconds: undefined,
    traffic: trafficFrom({}),
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
    assert.ok(helpText(limitsCommand(["prod"])).includes(`--${name} `), name);
});

test("every mistake has its line", () => {
  assert.deepEqual(mistakes(), ["--stack is missing: it must be one of prod, staging"]);
  assert.deepEqual(mistakes("--stack", "live", "--cpu", "0", "--max", "many"), [
    '--stack must be one of prod, staging, not "live"',
    '--cpu must be a whole number from 1 to 200, not "0"',
    '--max must be a whole number from 1 to 100, not "many"',
  ]);
  assert.deepEqual(mistakes("--stack", "prod", "--min", "5", "--max", "3", "--svg", ""), [
    "--svg needs a value",
    "--min must be at most --max (3), not 5",
  ]);
  assert.deepEqual(mistakes("--stack", "prod", "--curve", "/nowhere.csv", "--from", "1"), [
    "--curve cannot be used together with --connections, --from and --ramp-minutes",
    "--curve /nowhere.csv: no such file",
  ]);
  assert.equal(mistakes("--connection", "5")[0], "--connection is not an option");
});
