import assert from "node:assert/strict";
import { test } from "node:test";
import { StepError, Steps } from "./steps.ts";

const look = () => "Look there";

test("a step is reported once, and secrets are never printed", async () => {
  const lines: string[] = [];
  const steps = new Steps({
    deadline: 0,
    print: (line) => lines.push(line),
    secrets: ["s3cret", ""],
    prefix: "secure ",
  });
  for (let round = 0; round < 2; round++)
    await steps.step(
      "connect",
      async () => "s3cret",
      look,
      (value) => `with ${value}`,
    );
  assert.deepEqual(
    lines.map((line) => line.replace(/\d+/, "N")),
    ["ok secure connect N ms: with [secret]"],
  );
  const ok = await steps.untilOk(() =>
    steps.step("health", () => Promise.reject(new Error("s3cret is wrong")), look).then(() => {}),
  );
  assert.equal(ok, false);
  assert.equal(lines[1], "FAILED secure health: [secret] is wrong. Look there");
});

test("a success without detail is not reported", async () => {
  const lines: string[] = [];
  const steps = new Steps({ deadline: 0, print: (line) => lines.push(line) });
  const nothing = await steps.step(
    "message",
    async () => "none",
    look,
    () => undefined,
  );
  assert.deepEqual([nothing, lines], ["none", []]);
});

test("attempts continue until one succeeds, and the same failure is reported once", async () => {
  const lines: string[] = [];
  const steps = new Steps({ deadline: 60_000, print: (line) => lines.push(line) });
  let attempts = 0;
  const ok = await steps.untilOk(async () => {
    attempts += 1;
    await steps.step("connect", async () => {}, look);
    if (attempts < 3) throw new StepError("subscribe", "no", undefined);
  });
  assert.equal(ok, true);
  assert.equal(attempts, 3);
  assert.deepEqual(lines.slice(1), ["again subscribe: no"]);
});

test("an attempt is not repeated after an error of the program itself", async () => {
  const steps = new Steps({ deadline: 60_000, print: () => {} });
  await assert.rejects(
    steps.untilOk(() => Promise.reject(new TypeError("broken"))),
    TypeError,
  );
});

test("the wait for one answer is at least 3 s and at most 10 s", () => {
  assert.equal(new Steps({ deadline: 0, print: () => {} }).wait, 3_000);
  assert.equal(new Steps({ deadline: 600_000, print: () => {} }).wait, 10_000);
  const { wait } = new Steps({ deadline: 5_000, print: () => {} });
  assert.ok(wait > 4_000 && wait <= 5_000, String(wait));
});
