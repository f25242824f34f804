/** The steps of ci.yml pass on a machine as GitHub has it: the user is not root, and haproxy is missing. */

import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { type Step, startRunner, whyNoRunner } from "./runner/machine.ts";

interface Job {
  env: Record<string, string>;
  steps: Step[];
}

// All tests would take as long as the run of CI that this test is part of. These files need root, haproxy
// and a Docker daemon.
const FILES = {
  TESTS: "test/client/balanced.test.ts",
  LONG_TESTS: "test/long/startup/leaving.test.ts test/long/publisher-image.test.ts",
};

describe("ci.yml", { skip: whyNoRunner() }, () => {
  test("its steps pass for a user who is not root, in the order of the file", async (t) => {
    const text = readFileSync(new URL("../../.github/workflows/ci.yml", import.meta.url), "utf8");
    const { jobs } = parse(text) as { jobs: Record<string, Job> };
    assert.deepEqual(Object.keys(jobs), ["test"]);
    const { env, steps } = jobs.test as Job;
    assert.deepEqual(env, { TESTS: "", LONG_TESTS: "" }, "on GitHub, every test runs");

    const machine = await startRunner(t);
    for (const step of steps) {
      const began = Date.now();
      const { code, output } = await machine.step(step, { ...env, ...FILES });
      const name = step.name ?? step.run ?? step.uses;
      t.diagnostic(`${name}: ${Date.now() - began} ms`);
      assert.equal(code, 0, `${name}:\n${output.slice(-5000)}`);
    }
    const foreign = await machine.run(["find", ".", "!", "-user", "odin-runner"]);
    assert.deepEqual(foreign, { code: 0, output: "" }, "the user cannot change files that root left");
  });
});
