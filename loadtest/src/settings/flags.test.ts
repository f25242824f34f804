import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readFlags } from "./flags.ts";

function read(...args: string[]) {
  const problems: string[] = [];
  const { words, values, switches } = readFlags(args, ["out", "rate"], ["compression", "at-once"], problems);
  return { words, values: { ...values }, switches: [...switches], problems };
}

describe("command line", () => {
  test("words, values and switches", () => {
    assert.deepEqual(read("sustained", "--out", "a", "--compression", "--rate=1,2"), {
      words: ["sustained"],
      values: { out: "a", rate: "1,2" },
      switches: ["compression"],
      problems: [],
    });
    assert.deepEqual(read("--out=--a", "--rate", "1", "--rate", "2").values, { out: "--a", rate: "2" });
  });

  for (const [args, problem] of [
    [["--out", "--compression"], /^--out: needs a value, and --compression follows/],
    [["--out"], /^--out: needs a value$/],
    [["--out="], /^--out: needs a value$/],
    [["--compression=true"], /^--compression: takes no value: leave "=true" out$/],
    [["--at-once=false"], /^--at-once: takes no value/],
    [["-o"], /^-o: no such option/],
    [["--durration", "10"], /^--durration: no such option/],
    [["--durration=10"], /^--durration: no such option/],
  ] as const)
    test(`${args.join(" ")} is one mistake`, () => {
      const { problems, words } = read(...args);
      assert.equal(problems.length, 1, problems.join());
      assert.match(problems[0] as string, problem);
      assert.deepEqual(words, [], "what belongs to the mistake is no scenario");
    });
});
