/** The client behind a line that is too slow for it: gaps are replayed, what was left out is filled in. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { type Env, startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { eventually, pause } from "../harness/wait.ts";
import { startProxy } from "./fault-proxy.ts";
import { startWitness } from "./witness.ts";

/** Some hundred of these fill the kernel's buffers. */
const BODY = JSON.stringify(randomBytes(50_000).toString("hex"));

const EVENTS = ["trade", "favorites"] as const;
type Event = (typeof EVENTS)[number];

/** A client that stops reading until the gateway leaves messages out, and two messages that came before that. */
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
  await eventually("both", () => EVENTS.every((event) => books[event].got.length === 1));

  proxy.throttle(true);
  const throttled = async () =>
    (await gateway.metrics()).sum("ws_throttle_transitions_total", { from_level: "0" });
  for (let n = 0; (await throttled()) === 0; n++) {
    assert.ok(n < 600, "60 MB later the gateway still sends");
    await publish("trade", BODY);
  }
  // Low priority: left out now.
  for (let n = 0; n < 20; n++) await publish("favorites", `${n}`);
  await gateway.metric("ws_messages_dropped_total", { priority: "low" }, (count) => count >= 20);

  /** Reads again, and waits until all is well. */
  const recover = async () => {
    proxy.throttle(false);
    await eventually("the notice", () => witness.states.some(({ throttle }) => throttle > 0));
    // Passes at this level, and shows that there is a gap before it.
    await publish("trade", "1");
    await eventually("level 0", () => witness.client.status.throttle === 0, 20_000);
    for (let n = 0; n < 5; n++) for (const event of EVENTS) await publish(event, `${n}`);
  };
  return { nats, gateway, proxy, witness, books, published, recover };
}

describe("client that reads slowly", { skip: withoutNats() }, () => {
  for (const [what, settings] of [
    ["what it can replay", {}],
    ["what only the history still has", { WS_REPLAY_BUFFER: "1" }],
  ] as const) {
    test(`gets ${what} in the end, each once, and each channel in order`, async (t) => {
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
      assert.equal(proxy.accepted, 1, "all on one connection");
      const metrics = await gateway.metrics();
      assert.ok(metrics.sum("ws_replays_total") > 0, "there was a gap");
      const partial = metrics.sum("ws_replays_total", { result: "partial" });
      assert.equal(partial > 0, "WS_REPLAY_BUFFER" in settings);
    });
  }

  test("is told once when not even the history has it, and goes on in order", async (t) => {
    const settings = { WS_REPLAY_BUFFER: "1", JS_STREAM_MAX_AGE: "2s" };
    const { nats, proxy, witness, books, published, recover } = await stalled(t, settings);
    await pause(4_000);
    // The history is trimmed when something is added to it.
    await nats.publish("odin.token.OTHER.trade", {});
    await recover();
    for (const event of EVENTS) {
      const last = published[event].at(-1);
      await eventually(`the last ${event}`, () => books[event].got.at(-1)?.offset === last, 20_000);
      const offsets = books[event].got.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        [...new Set(offsets)].sort((a, b) => a - b),
        "each once and in order",
      );
      assert.ok(offsets.length < published[event].length, "nothing was lost");
      assert.deepEqual(offsets.slice(-5), published[event].slice(-5));
    }
    const channels = ["SLOW.trade", "SLOW.favorites"];
    assert.deepEqual(witness.refetches, [{ channels, reason: "history" }]);
    assert.equal(proxy.accepted, 1, "all on one connection");
  });
});
