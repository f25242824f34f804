/**
 * The minified bundle with its renamed properties: it passes the library's own tests, and its source maps are
 * right.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { bundle } from "./build.ts";

const TESTS = [
  "connect.test.ts",
  "connect-return.test.ts",
  "connect-refused.test.ts",
  "connect-token.test.ts",
  "connect-network.test.ts",
];

test("the library's tests pass with the bundle in its place", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "odin-bundle-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "index.mjs");
  await writeFile(file, `${(await bundle("index")).code}\nprocess.stderr.write("BUNDLE");`);
  const chunk = join(folder, "fallback.js");
  await writeFile(chunk, (await bundle("fallback")).code);
  const hooks = `
    import { registerHooks } from "node:module";
    import ${JSON.stringify(pathToFileURL(chunk).href)};
    const bundled = { url: ${JSON.stringify(pathToFileURL(file).href)}, shortCircuit: true };
    registerHooks({ resolve: (name, context, next) => name === "./connect.ts" ? bundled : next(name, context) });`;
  const hook = `data:text/javascript,${encodeURIComponent(hooks)}`;
  // With this variable the inner tests would report to the runner of this test.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  for (const name of TESTS) {
    const path = fileURLToPath(new URL(`src/${name}`, import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", hook, path], {
      encoding: "utf8",
      env,
    });
    assert.equal(status, 0, `${name}:\n${stdout}${stderr}`);
    assert.match(stderr, /BUNDLE/, `${name} took the source`);
    assert.match(stdout, /pass [1-9]/, `${name} has tests`);
  }
});

for (const [entry, text, source] of [
  ["index", "is not a channel like", "client/src/registry.ts"],
  ["react", "no OdinProvider above", "client/src/react/provider.ts"],
] as const) {
  test(`${entry}: the source map leads to the source, and the code does not name the map`, async () => {
    const { code, map } = await bundle(entry);
    assert.doesNotMatch(code, /sourceMappingURL/);
    const lines = code.slice(0, code.indexOf(text)).split("\n");
    const found = new SourceMap(JSON.parse(map)).findEntry(lines.length - 1, lines.at(-1)?.length ?? 0);
    assert.ok("originalSource" in found, `nothing at ${text}`);
    const { pathname } = new URL(found.originalSource, new URL("dist/index.js", import.meta.url));
    assert.ok(pathname.endsWith(source), found.originalSource);
  });
}

test('the hooks have the directive "use client"', async () => {
  assert.match((await bundle("react")).code, /^["'`]use client["'`]/);
  assert.doesNotMatch((await bundle("index")).code, /use client/);
});
