import assert from "node:assert/strict";
import { test } from "node:test";
import { ReconnectDelay } from "./reconnect-delay.ts";

test("a gateway cannot make a client wait for longer than five minutes", () => {
  const delay = new ReconnectDelay();
  assert.equal(delay.afterRefusal(2_147_483_000_000), 300_000);
  assert.equal(delay.afterRefusal(120_000), 120_000);
  delay.setWindow({ min_ms: 2 ** 40, max_ms: 2 ** 41 });
  assert.equal(delay.afterBreak(), 300_000);
});
