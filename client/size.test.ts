/** The size of the library. README.md states these numbers. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { bundle } from "./build.ts";

/** Bytes, minified and gzipped. */
const LIMITS = { index: 5_000, react: 3_000, compact: 4_000, fallback: 3_450, selective: 5_600 };
/** Bytes to keep free, because another version of gzip may produce a few more bytes. */
const MARGIN = 60;

for (const entry of ["index", "react", "compact", "fallback", "selective"] as const) {
  test(`${entry} is within its limit, and README.md states its size`, async () => {
    const { code } = await bundle(entry);
    const size = gzipSync(code).length;
    assert.ok(
      size <= LIMITS[entry] - MARGIN,
      `${size} bytes; at most ${LIMITS[entry]} - ${MARGIN} are allowed`,
    );
    assert.ok(size > LIMITS[entry] / 3, `${size} bytes: part of the bundle seems to be missing`);
    const readme = await readFile(new URL("README.md", import.meta.url), "utf8");
    const kilobytes = (size / 1000).toFixed(1);
    const stated = new RegExp(
      `\\| \`@odin-ws/client${entry === "index" ? "" : `/${entry}`}\` \\| ${kilobytes} KB \\|`,
    );
    assert.match(readme, stated, `README.md must say ${kilobytes} KB`);
  });
}
