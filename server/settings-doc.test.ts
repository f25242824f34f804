import assert from "node:assert/strict";
import { test } from "node:test";
import { isCurrent } from "./settings-doc.ts";

test("docs/settings.md is rendered from the settings", () => {
  assert.ok(isCurrent(), "run: npm run docs");
});
