import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { durationsOf, loadDurations, saveDurations, slowestFirst, slowestLines } from "./durations.ts";

test("slow files start first; of unknown files, those that start processes come first", () => {
  const files = ["server/a.test.ts", "server/b.test.ts", "client/new.test.ts", "test/new.test.ts"];
  assert.deepEqual(slowestFirst(files, { "server/a.test.ts": 10, "server/b.test.ts": 900 }), [
    "test/new.test.ts",
    "server/b.test.ts",
    "server/a.test.ts",
    "client/new.test.ts",
  ]);
});

test("durations of one file are added up, and outlive a run of other files", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "odin-durations-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "cache", "durations.json");
  assert.deepEqual(loadDurations(path), {});
  const file = resolve("a.test.ts");
  saveDurations(
    path,
    durationsOf([
      { file, ms: 1.2 },
      { file, ms: 2 },
    ]),
  );
  saveDurations(path, { "b.test.ts": 7 });
  assert.deepEqual(loadDurations(path), { "a.test.ts": 3, "b.test.ts": 7 });
  writeFileSync(path, "{");
  assert.deepEqual(loadDurations(path), {});
});

test("only a long run names its slowest files", () => {
  assert.deepEqual(slowestLines({ "a.test.ts": 2000 }), []);
  assert.deepEqual(slowestLines({ "a.test.ts": 2000, "test/b.test.ts": 61_000 }), [
    "slowest of 2 test files, which took 63.0 s together:",
    "  61.0 s  test/b.test.ts",
    "   2.0 s  a.test.ts",
  ]);
});
