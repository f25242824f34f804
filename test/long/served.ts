/** Checks that a gateway with the simulator as its source serves a client. */

import { strict as assert } from "node:assert";
import { WebSocket } from "ws";
import { TestClient } from "../harness/client.ts";
import type { Owner } from "../harness/owner.ts";

const ENVELOPES = 20;

/** Connects, subscribes to all trades, and asserts that trades arrive without a gap. */
export async function assertServed(owner: Owner, wsPort: number): Promise<TestClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${wsPort}/ws`);
  owner.after(() => socket.terminate());
  const client = new TestClient(socket);
  await client.control("welcome");
  await client.subscribe(["*.trade"]);
  const envelopes = await client.receive(ENVELOPES);
  for (const [index, { seq, channel, type }] of envelopes.entries()) {
    assert.equal(seq, index + 1);
    assert.match(channel, /^[A-Z0-9]+\.trade$/);
    assert.equal(type, "price:update");
  }
  return client;
}
