/** Generated input: every client gets an answer or a close for any input, and the gateway keeps running. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import fc from "fast-check";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { frame, rawUpgrade } from "../harness/raw.ts";
import { within } from "../harness/wait.ts";

// Generates values that are close to valid ones, because input that fails at the first check proves little.
const channel = fc.oneof(
  fc.constantFrom(
    "BTC.trade",
    "*.trade",
    "BTC.*",
    "*.*",
    "odin.token.BTC.trade",
    "global.trending",
    "",
    ".",
    "a.b.c",
  ),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.jsonValue({ maxDepth: 1 }),
);
const count = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, 2 ** 53, "1", null));
const message = fc.record(
  {
    type: fc.oneof(
      fc.constantFrom("subscribe", "unsubscribe", "replay", "heartbeat", "auth"),
      fc.jsonValue(),
    ),
    channels: fc.oneof(fc.array(channel, { maxLength: 20 }), fc.jsonValue()),
    since: fc.oneof(fc.record({ epoch: fc.string(), offset: count }), fc.jsonValue()),
    from_seq: count,
    to_seq: count,
    token: fc.jsonValue(),
  },
  { requiredKeys: ["type"] },
);

describe("generated input", () => {
  test("every message within the size limit is answered once", async (t) => {
    const gateway = await startGateway(t);
    const property = fc.asyncProperty(
      fc.array(message, { minLength: 1, maxLength: 30 }),
      async (messages) => {
        const client = await connect(t, gateway);
        const texts = messages
          .map((one) => JSON.stringify(one))
          .filter((text) => Buffer.byteLength(text) <= 4096);
        for (const text of texts) client.socket.send(text);
        const answers = () => client.messages.slice(1).filter((one) => !("seq" in one && "channel" in one));
        // Replays also send envelopes, which are not counted as answers.
        await client.until("an answer for each", () => answers().length >= texts.length);
        const { seq } = await client.ask({ type: "heartbeat" }, "heartbeat_ack");
        assert.equal(answers().length, texts.length + 1);
        assert.ok(seq >= 0);
        await client.drop();
      },
    );
    await fc.assert(property, { numRuns: 60 });
    await gateway.assertAlive();
  });

  test("random bytes after the handshake never end the process", async (t) => {
    const gateway = await startGateway(t);
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 200 }).map((array) => Buffer.from(array)),
      // Well-formed frames with random payloads; some are marked as compressed.
      fc
        .record({
          payload: fc.uint8Array({ maxLength: 200 }),
          opcode: fc.integer({ min: 0, max: 15 }),
          fin: fc.boolean(),
          rsv: fc.constantFrom(0, 4),
        })
        .map(({ payload, ...options }) => frame(Buffer.from(payload), options)),
    );
    const property = fc.asyncProperty(
      fc.array(bytes, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (all, zip) => {
        const headers = { "Sec-WebSocket-Extensions": zip ? "permessage-deflate" : "" };
        const client = await rawUpgrade(t, gateway, { headers });
        assert.equal(client.status, 101);
        for (const one of all) client.write(one);
        client.socket.end();
        await within("end of the connection", client.closed);
      },
    );
    await fc.assert(property, { numRuns: 200 });
    await gateway.metric("ws_connections_current", {}, (value) => value === 0);
    await gateway.assertAlive();
  });
});
