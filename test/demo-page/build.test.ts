/**
 * The build of `npm start`: it builds the page once, even for two starts at the same time, and leaves no
 * files when interrupted.
 */

import { strict as assert } from "node:assert";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually, within } from "../harness/wait.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PATIENCE_MS = 60_000; // 60 s

/** A copy of the page's sources without builds. */
function checkout(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "odin-demo-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const folder of ["client", "protocol"]) {
    const filter = (path: string) => !/\/(dist|node_modules)$/.test(path);
    cpSync(join(ROOT, folder), join(root, folder), { recursive: true, filter });
  }
  for (const name of ["package.json", "package-lock.json", "tsconfig.json"])
    cpSync(join(ROOT, name), join(root, name));
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  return root;
}

function build(t: TestContext, root: string): ProcessGroup {
  const env = { PATH: process.env.PATH ?? "", HOME: root };
  const script = new ProcessGroup(process.execPath, [join(root, "client/demo/build.ts")], env);
  t.after(() => script.dispose());
  return script;
}

const ended = ({ exited }: ProcessGroup) => within("the end of the build", exited, PATIENCE_MS);
const built = (root: string): string[] => {
  const dist = join(root, "client/demo/dist");
  return existsSync(dist) ? readdirSync(dist) : [];
};

describe("build of the demo page", { timeout: 120_000 }, () => {
  test("two builds at the same time produce one page, and a third build does nothing", async (t) => {
    const root = checkout(t);
    const both = [build(t, root), build(t, root)];
    for (const script of both) assert.equal((await ended(script)).code, 0, script.output);
    const [folder, ...others] = built(root);
    assert.match(folder ?? "", /^[0-9a-f]{16}$/);
    assert.deepEqual(others, []);
    for (const { output } of both) assert.ok(output.endsWith(join("client/demo/dist", folder ?? "")), output);
    const third = build(t, root);
    assert.equal((await ended(third)).code, 0);
    assert.doesNotMatch(third.output, /building/);
  });

  test("an interrupted build leaves no files, and a broken source is reported", async (t) => {
    const root = checkout(t);
    const script = build(t, root);
    await eventually("a build", () => script.output.includes("building"), PATIENCE_MS);
    script.signal("SIGINT");
    assert.notEqual((await ended(script)).code, 0);
    assert.deepEqual(built(root), []);
    mkdirSync(join(root, "client/demo/src"), { recursive: true });
    writeFileSync(join(root, "client/demo/src/main.tsx"), "const = 1;");
    const broken = build(t, root);
    assert.notEqual((await ended(broken)).code, 0);
    assert.match(broken.output, /main\.tsx/);
    assert.deepEqual(built(root), []);
  });
});
