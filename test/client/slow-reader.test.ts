/** The client on a connection that is too slow: it replays gaps, and fetches dropped messages later. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { type Env, startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { eventually, pause } from "../harness/wait.ts";
import { startProxy } from "./fault-proxy.ts";
import { startWitness } from "./witness.ts";

/** About a hundred of these messages fill the kernel's buffers. */
const BODY = JSON.stringify(randomBytes(50_000).toString("hex"));

const EVENTS = ["trade", "favorites"] as const;
type Event = (typeof EVENTS)[number];

/**
 * A client that has received one message of each event, and then stops reading until the gateway drops
 * messages.
 */
async function stalled(t: TestContext, settings: Env) {
  const nats = await startNats(t);
  const env = {
    WS_SEND_BUFFER_BYTES: "65536",
    WS_THROTTLE_RECOVERY_SECONDS: "1",
    WS_MAX_NATS_RATE: "0",
    WS_MAX_BROADCAST_RATE: "0",
    ...settings,
  };
  const gateway = await startGateway(t, { nats, env });
  const proxy = await startProxy(t, gateway.wsPort);
  const witness = startWitness(t, proxy.url);
  const books = {
    trade: await witness.listen("SLOW.trade"),
    favorites: await witness.listen("SLOW.favorites"),
  };
  const published: Record<Event, number[]> = { trade: [], favorites: [] };
  const publish = async (event: Event, body: string) => {
    published[event].push(await nats.publish(`odin.token.SLOW.${event}`, body));
  };
  for (const event of EVENTS) await publish(event, "0");
  await eventually("one message of each event", () => EVENTS.every((event) => books[event].got.length === 1));

  proxy.throttle(true);
  const throttled = async () =>
    (await gateway.metrics()).sum("ws_throttle_transitions_total", { from_level: "0" });
  for (let n = 0; (await throttled()) === 0; n++) {
    assert.ok(n < 600, "after 60 MB the gateway still does not throttle");
    await publish("trade", BODY);
  }
  // The gateway now drops these messages, because they have low priority.
  for (let n = 0; n < 20; n++) await publish("favorites", `${n}`);
  await gateway.metric("ws_messages_dropped_total", { priority: "low" }, (count) => count >= 20);

  /** Reads again, and waits until the level is 0. */
  const recover = async () => {
    proxy.throttle(false);
    await eventually("a throttle level above 0", () => witness.states.some(({ throttle }) => throttle > 0));
    // The gateway sends this message at this level. It shows the client the gap before it.
    await publish("trade", "1");
    await eventually("level 0", () => witness.client.status.throttle === 0, 20_000);
    for (let n = 0; n < 5; n++) for (const event of EVENTS) await publish(event, `${n}`);
  };
  return { nats, gateway, proxy, witness, books, published, recover };
}

describe("client that reads slowly", { skip: withoutNats() }, () => {
  for (const [what, settings] of [
    ["messages that can be replayed", {}],
    ["messages that only the history still has", { WS_REPLAY_BUFFER: "1" }],
  ] as const) {
    test(`gets ${what}, each once, and each channel in order`, async (t) => {
      const { gateway, proxy, witness, books, published, recover } = await stalled(t, settings);
      await recover();
      for (const event of EVENTS) {
        const [book, offsets] = [books[event], published[event]];
        await eventually(
          () => `all of ${event}: ${book.got.length} and ${book.late.length} of ${offsets.length}`,
          () => book.got.length + book.late.length >= offsets.length,
          20_000,
        );
        assert.deepEqual(
          book.got.map(({ offset }) => offset),
          offsets,
        );
        assert.deepEqual(book.late, []);
      }
      assert.deepEqual([witness.refetches, witness.errors], [[], []]);
      assert.equal(proxy.accepted, 1, "the client used one connection");
      const metrics = await gateway.metrics();
      assert.ok(metrics.sum("ws_replays_total") > 0, "there was a gap");
      const partial = metrics.sum("ws_replays_total", { result: "partial" });
      assert.equal(partial > 0, "WS_REPLAY_BUFFER" in settings);
    });
  }

  test("gets one refetch when the history no longer has the messages, and continues in order", async (t) => {
    const settings = { WS_REPLAY_BUFFER: "1", JS_STREAM_MAX_AGE: "2s" };
    const { nats, proxy, witness, books, published, recover } = await stalled(t, settings);
    await pause(4_000);
    // The gateway trims its history when it adds a message.
    await nats.publish("odin.token.OTHER.trade", {});
    await recover();
    for (const event of EVENTS) {
      const last = published[event].at(-1);
      await eventually(`the last ${event}`, () => books[event].got.at(-1)?.offset === last, 20_000);
      const offsets = books[event].got.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        [...new Set(offsets)].sort((a, b) => a - b),
        "each message once and in order",
      );
      assert.ok(offsets.length < published[event].length, "messages should have been lost");
      assert.deepEqual(offsets.slice(-5), published[event].slice(-5));
    }
    const channels = ["SLOW.trade", "SLOW.favorites"];
    assert.deepEqual(witness.refetches, [{ channels, reason: "history" }]);
    assert.equal(proxy.accepted, 1, "the client used one connection");
  });
});
