import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { hashOf } from "./build.ts";

function root(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "odin-build-"));
  t.after(() => rmSync(path, { recursive: true }));
  for (const folder of ["src", "src/dist", "src/node_modules"]) mkdirSync(join(path, folder));
  writeFileSync(join(path, "src/a.ts"), "a");
  writeFileSync(join(path, "lock.json"), "{}");
  return path;
}

test("the hash depends on names and contents, but not on the order", (t) => {
  const path = root(t);
  const hash = hashOf(path, ["src", "lock.json"]);
  assert.match(hash, /^[0-9a-f]{16}$/);
  assert.equal(hashOf(path, ["lock.json", "src", "missing"]), hash);
  writeFileSync(join(path, "lock.json"), "{ }");
  const changed = hashOf(path, ["src", "lock.json"]);
  assert.notEqual(changed, hash);
  writeFileSync(join(path, "src/b.ts"), "");
  assert.notEqual(hashOf(path, ["src", "lock.json"]), changed);
});

test("tests, packages and build results do not change the hash", (t) => {
  const path = root(t);
  const hash = hashOf(path, ["src"]);
  for (const file of ["a.test.ts", "dist/index.html", "node_modules/x.js"])
    writeFileSync(join(path, "src", file), "x");
  assert.equal(hashOf(path, ["src"]), hash);
});
