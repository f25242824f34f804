import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { EVENTS, isKnownEvent, kindOf } from "./events.ts";

/** The Markdown table of PROTOCOL.md, section "Channels". */
function renderTable(): string {
  const rows = Object.entries(EVENTS).map(([event, { scope, type, priority }]) => {
    const name = scope === "global" ? `global.${event}` : event;
    return `| \`${name}\` | \`${type}\` | ${priority} |`;
  });
  return [
    "| event | type | priority |",
    "|---|---|---|",
    ...rows,
    "| any other | `{event}:update` | medium |",
    "",
  ].join("\n");
}

test("PROTOCOL.md shows the table of events, types and priorities", async () => {
  const document = await readFile(new URL("../PROTOCOL.md", import.meta.url), "utf8");
  const [table] = document.match(/^\| event \| type \| priority \|\n(\|.*\n)+/m) ?? [];
  assert.equal(table, renderTable(), "replace the table in PROTOCOL.md by the expected one");
});

test("an event that the table does not name has a type of its own and medium priority", () => {
  for (const event of ["halted", "toString", "__proto__"]) {
    assert.equal(isKnownEvent(event), false);
    assert.deepEqual(kindOf(event), { type: `${event}:update`, priority: "medium" });
  }
  assert.ok(isKnownEvent("trade"));
  assert.deepEqual(kindOf("trade"), { type: "price:update", priority: "high" });
});
