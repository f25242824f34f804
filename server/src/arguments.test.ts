import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const TIMEOUT_MS = 60_000;

for (const [script, usage] of [
  ["demo.ts", /^npm start\b/],
  ["main.ts", /^npm run gateway\b/],
] as const) {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), ...args], {
      encoding: "utf8",
      timeout: TIMEOUT_MS,
      // With this invalid setting, a gateway that starts ends at once.
      env: { PATH: process.env.PATH, WS_PORT: "none" },
    });

  test(`${script} prints its usage, and starts nothing`, () => {
    for (const args of [["--help"], ["-h"], ["--port", "1", "--help"]]) {
      const { status, stdout, stderr } = run(...args);
      assert.deepEqual([status, stderr], [0, ""], args.join(" "));
      assert.match(stdout, usage);
      assert.match(stdout, /docs\/settings\.md/);
    }
  });

  test(`${script} refuses unknown arguments`, () => {
    const { status, stdout, stderr } = run("--port", "8080");
    assert.deepEqual([status, stdout], [2, ""]);
    assert.match(stderr, /^odin-ws: unknown argument --port: settings are environment variables/);
    assert.ok(stderr.includes("docs/settings.md"));
  });

  test(`${script} without arguments reads its settings`, () => {
    const { status, stderr } = run();
    assert.equal(status, 1);
    assert.match(stderr, /^odin-ws: WS_PORT\b/m);
  });
}
