import assert from "node:assert/strict";
import { test } from "node:test";
import { type Command, flag, option, readCommand } from "./command-line.ts";
import { helpText } from "./help.ts";
import { boolean, choice, list, whole } from "./values.ts";

const COMMAND = {
  name: "npm run example",
  about: "Does nothing.",
  words: { SCENARIO: option("", choice(["short", "long"]).describe("length")) },
  options: {
    rate: option("N", whole(1, 100).default(12).describe("messages a second (12)"), { variable: "RATE" }),
    out: option("FOLDER", list().optional().describe("folders"), { repeatable: true }),
    secret: option("TEXT", whole(1, 2).optional().describe("a secret"), { secret: true }),
    quick: flag(boolean().default(false).describe("a short run"), { variable: "QUICK" }),
  },
  variables: { LEVEL: choice(["low", "high"]).default("low").describe("level (low)") },
} satisfies Command;

const read = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => readCommand(COMMAND, args, env);
const mistakes = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
  const result = read(args, env);
  assert.ok(typeof result === "object" && "mistakes" in result, JSON.stringify(result));
  return result.mistakes;
};

test("words, options, flags and variables", () => {
  assert.deepEqual(read(["short"]), {
    SCENARIO: "short",
    rate: 12,
    out: undefined,
    secret: undefined,
    quick: false,
    LEVEL: "low",
  });
  assert.deepEqual(
    read(["--out", "a", "long", "--rate=5", "--out=b", "--quick"], { LEVEL: "high", RATE: "50" }),
    { SCENARIO: "long", rate: 5, out: ["a", "b"], secret: undefined, quick: true, LEVEL: "high" },
  );
  const values = read(["long", "--rate", "1", "--rate", "2"], { QUICK: "true" });
  assert.ok(typeof values === "object" && "rate" in values);
  assert.deepEqual([values.rate, values.quick], [2, true], "the last value counts");
});

test("all mistakes are reported at once", () => {
  assert.deepEqual(
    mistakes(["--foo", "bar", "--rate", "0", "--secret", "hunter2", "--quick=yes", "-x"], { LEVEL: "no" }),
    [
      "--foo is not an option",
      '--quick takes no value: remove "=yes"',
      "-x is not an option",
      "SCENARIO is missing: it must be one of short, long",
      '--rate must be a whole number from 1 to 100, not "0"',
      "--secret must be a whole number from 1 to 2",
      'LEVEL must be one of low, high, not "no"',
    ],
  );
  assert.deepEqual(mistakes(["medium", "more"], { RATE: "x" }), [
    '"more" is one word too many',
    'SCENARIO must be one of short, long, not "medium"',
    'RATE must be a whole number from 1 to 100, not "x"',
  ]);
});

for (const [args, mistake] of [
  [["--out", "--quick"], "--out needs a value: write --out=--quick if --quick is the value"],
  [["--out"], "--out needs a value"],
  [["--out="], "--out needs a value"],
  [["--rate", ""], "--rate needs a value"],
  [["--quick=true"], '--quick takes no value: remove "=true"'],
  [["-o"], "-o is not an option"],
  [["-abc"], "-a is not an option"],
  [["--ratte", "10"], "--ratte is not an option"],
  [["--ratte=10"], "--ratte is not an option"],
  [["--toString"], "--toString is not an option"],
] as const)
  test(`${args.join(" ")} is one mistake`, () => {
    assert.deepEqual(mistakes(["short", ...args]), [mistake]);
  });

test("a check between values runs beside other mistakes", () => {
  const result = readCommand(COMMAND, ["short", "--foo"], {}, ({ rate }) => [`rate is ${rate}`]);
  assert.deepEqual(result, { mistakes: ["--foo is not an option", "rate is 12"] });
});

test("a request for help is more important than mistakes", () => {
  assert.equal(read(["--foo", "--help"]), "help");
  assert.equal(read(["-h"]), "help");
});

test("the help has every word, option and variable, and no line is wider than 110 columns", () => {
  assert.equal(
    helpText(COMMAND),
    `npm run example -- SCENARIO [options]

Does nothing.

  SCENARIO              length
  --rate N       RATE   messages a second (12)
  --out FOLDER          folders
  --secret TEXT         a secret
  --quick        QUICK  a short run
  --help                shows this text

Environment variables:

  LEVEL  level (low)`,
  );
  const long = { ...COMMAND, variables: { A: list().describe("word ".repeat(60).trim()) } };
  const lines = helpText(long).split("\n");
  assert.ok(lines.every((line) => line.length <= 110));
  assert.equal(helpText(long).match(/word/g)?.length, 60);
});
