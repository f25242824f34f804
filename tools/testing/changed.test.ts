import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { changedTests, FileGraph } from "./changed.ts";

const FILES: Record<string, string | undefined> = {
  "server/src/main.ts": 'import { rate } from "./rate.ts";',
  "server/src/rate.ts": "export const rate = 1;",
  "server/src/rate.test.ts": 'import { rate } from "./rate.ts";',
  "server/src/log.test.ts": 'import "./log.ts";',
  "server/src/log.ts": "",
  "server/package.json": '{ "name": "@odin-ws/server", "exports": { "./rate": "./src/rate.ts" } }',
  "test/harness/gateway.ts": 'const MAIN = new URL("../../server/src/main.ts", import.meta.url);',
  "test/gateway/drain.test.ts": 'import "../harness/gateway.ts"; const word = "server";',
  "test/startup/scripts.test.ts": 'const folder = new URL("../../infra/startup", import.meta.url);',
  "stacks/rate.test.ts": 'import { rate } from "@odin-ws/server/rate";',
  "infra/startup/gateway.sh": "true",
  "docs/runbook.md": undefined,
  "docs/runbook.test.ts": 'read("docs/runbook.md");',
};
const TESTS = Object.keys(FILES).filter((file) => file.endsWith(".test.ts"));

function testsAffectedBy(...changed: string[]): string[] {
  const packages = new Map([["@odin-ws/server/rate", "server/src/rate.ts"]]);
  const affected = new FileGraph(new Map(Object.entries(FILES)), packages).affectedBy(changed);
  return TESTS.filter((file) => affected.has(file)).sort();
}

test("a change reaches tests through imports, package names and paths of processes", () => {
  assert.deepEqual(testsAffectedBy("server/src/rate.ts"), [
    "server/src/rate.test.ts",
    "stacks/rate.test.ts",
    "test/gateway/drain.test.ts",
  ]);
  assert.deepEqual(testsAffectedBy("server/src/log.ts"), ["server/src/log.test.ts"]);
});

test("a file in a folder that a test names reaches the test; a word that is the name of a folder does not", () => {
  assert.deepEqual(testsAffectedBy("infra/startup/gateway.sh"), ["test/startup/scripts.test.ts"]);
  assert.deepEqual(testsAffectedBy("server/package.json"), []);
});

test("a document reaches the test that reads the document, and a test reaches itself", () => {
  assert.deepEqual(testsAffectedBy("docs/runbook.md"), ["docs/runbook.test.ts"]);
  assert.deepEqual(testsAffectedBy("server/src/log.test.ts"), ["server/src/log.test.ts"]);
});

/** A git repository with FILES on its branch `main`, and the branch `work` checked out. */
function repository(t: TestContext): { root: string; write: (file: string, text: string) => void } {
  const root = mkdtempSync(join(tmpdir(), "odin-changed-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], {
      cwd: root,
      stdio: "pipe",
    });
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  for (const [file, text] of Object.entries(FILES)) write(file, text ?? "");
  git("init", "--quiet", "--initial-branch=main");
  git("add", ".");
  git("commit", "--quiet", "--message=first");
  git("checkout", "--quiet", "-b", "work");
  return { root, write };
}

test("changes that are not committed count, and files that git does not know yet", (t) => {
  const { root, write } = repository(t);
  assert.deepEqual(changedTests(root, TESTS), { changed: 0, tests: [] });
  write("server/src/log.ts", "changed();");
  write("server/src/new.test.ts", 'import "./log.ts";');
  assert.deepEqual(changedTests(root, [...TESTS, "server/src/new.test.ts"]), {
    changed: 2,
    tests: ["server/src/log.test.ts", "server/src/new.test.ts"],
  });
});

test("a change of the lockfile reaches every test", (t) => {
  const { root, write } = repository(t);
  write("package-lock.json", "{}");
  assert.deepEqual(changedTests(root, TESTS).tests, TESTS);
});
