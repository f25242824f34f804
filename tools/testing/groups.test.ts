import assert from "node:assert/strict";
import { test } from "node:test";
import { groupsOf } from "./groups.ts";

test("files that measure run after the others, one at a time", () => {
  const [measuring, other] = ["a/b.alone.test.ts", "c.alone.test.ts"];
  assert.deepEqual(groupsOf(["a.test.ts", measuring, "alone.test.ts", other], 3), [
    { files: ["a.test.ts", "alone.test.ts"], concurrency: 3 },
    { files: [measuring, other], concurrency: 1 },
  ]);
  assert.deepEqual(groupsOf([measuring], 3), [{ files: [measuring], concurrency: 1 }]);
  assert.deepEqual(groupsOf([], 3), []);
});
