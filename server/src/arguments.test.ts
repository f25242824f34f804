import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const TIMEOUT_MS = 60_000;

// test/commands runs both with --help and with mistakes.
for (const script of ["demo.ts", "main.ts"]) {
  test(`${script} without arguments reads its settings`, () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [fileURLToPath(new URL(script, import.meta.url))],
      {
        encoding: "utf8",
        timeout: TIMEOUT_MS,
        // With a wrong port, the process ends instead of serving clients.
        env: { PATH: process.env.PATH, WS_PORT: "none" },
      },
    );
    assert.equal(status, 1);
    assert.match(stderr, /^odin-ws: WS_PORT must be a whole number from 0 to 65535, not "none"$/m);
  });
}
