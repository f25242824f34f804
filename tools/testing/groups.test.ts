import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { groupsOf, MEASURING } from "./groups.ts";

const [measuring = ""] = MEASURING;

test("tests that measure times run after the others", () => {
  assert.deepEqual(groupsOf(["a", measuring, "b"], 4), [
    { files: ["a", "b"], concurrency: 5 },
    { files: [measuring], concurrency: 4 },
  ]);
  assert.deepEqual(groupsOf([measuring], 1), [{ files: [measuring], concurrency: 2 }]);
  assert.deepEqual(groupsOf([], 4), []);
});

test("the listed files exist", () => {
  for (const file of MEASURING) assert.ok(existsSync(file), file);
});
