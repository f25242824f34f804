import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fakeScript } from "../fake-machine.fixture.ts";

/**
 * Runs the script on two checkouts. The fake program prints the file `program` of its checkout, and fails
 * without it.
 */
function previewed(t: TestContext, head: string | undefined, base?: string | null) {
  const root = mkdtempSync(join(tmpdir(), "odin-offline-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const program = `[ "$1" = run ] || exit 0
while [ $# -gt 0 ]; do case "$1" in --json) json="$2" ;; --stack) stack="$2" ;; esac; shift; done
[ -e program ] || { echo "jwtSecret is missing"; exit 1; }
cp program "$json"; echo "Stack $stack: $(wc -l <program) resources"; echo "JSON: $json"; echo "diagram: x"`;
  fakeScript(join(root, "bin"), "npm", program);
  const checkouts = { head, base: base ?? undefined };
  for (const [name, content] of Object.entries(checkouts)) {
    mkdirSync(join(root, name));
    if (content !== undefined) writeFileSync(join(root, name, "program"), content);
  }
  const args = ["prod", ...(base === undefined ? [] : ["../base"])];
  const ended = spawnSync("bash", [join(import.meta.dirname, "preview-offline.sh"), ...args], {
    encoding: "utf8",
    cwd: join(root, "head"),
    env: { PATH: `${join(root, "bin")}:/usr/bin:/bin`, TMPDIR: root },
  });
  return { code: ended.status, out: ended.stdout };
}

test("the preview shows first the differences and then the resources", (t) => {
  const { code, out } = previewed(t, "one\nthree\n", "one\ntwo\n");
  assert.equal(code, 0);
  assert.match(out, /^Different from the base branch:\n {2}2 lines\n/);
  assert.match(out, /\n {2}-two\n {2}\+three\n[\s\S]*\nStack prod: 2 resources\n$/);
});

test("the preview says when nothing differs or the base cannot be compared, and works without a base", (t) => {
  assert.match(
    previewed(t, "one\n", "one\n").out,
    /^Different from the base branch:\n {2}nothing\n\nStack prod/,
  );
  const { code, out } = previewed(t, "one\n", null);
  assert.equal(code, 0);
  assert.match(out, /the program of the base branch fails[^\n]*nothing to compare with\n\nStack prod/);
  assert.match(previewed(t, "one\n").out, /^Stack prod: 1 resources\n$/);
});

test("the preview fails with the program's output when the program fails", (t) => {
  const { code, out } = previewed(t, undefined, "one\n");
  assert.deepEqual([code, out], [1, "jwtSecret is missing\n"]);
});
