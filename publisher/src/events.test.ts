import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { EVENTS } from "@odin-ws/protocol";

test("README.md names every event", async () => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const missing = Object.keys(EVENTS).filter((event) => !readme.includes(`\`${event}\``));
  assert.deepEqual(missing, [], "add these events to the section Events");
});
