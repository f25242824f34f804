/** The client behind a line that is too slow for it: gaps are replayed, what was left out is filled in. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { eventually } from "../harness/wait.ts";
import { startProxy } from "./fault-proxy.ts";
import { startWitness } from "./witness.ts";

/** Some hundred of these fill the kernel's buffers. */
const BODY = JSON.stringify(randomBytes(50_000).toString("hex"));

describe("client that reads slowly", { skip: withoutNats() }, () => {
  test("gets all of it in the end, each once, and each channel in order", async (t) => {
    const nats = await startNats(t);
    const env = {
      WS_SEND_BUFFER_BYTES: "65536",
      WS_THROTTLE_RECOVERY_SECONDS: "1",
      WS_MAX_NATS_RATE: "0",
      WS_MAX_BROADCAST_RATE: "0",
    };
    const gateway = await startGateway(t, { nats, env });
    const proxy = await startProxy(t, gateway.wsPort);
    const witness = startWitness(t, proxy.url);
    const trades = await witness.listen("SLOW.trade");
    const favorites = await witness.listen("SLOW.favorites");
    const published = { trade: [] as number[], favorites: [] as number[] };
    const publish = async (event: "trade" | "favorites", body: string) => {
      published[event].push(await nats.publish(`odin.token.SLOW.${event}`, body));
    };
    await publish("trade", "0");
    await publish("favorites", "0");
    await eventually("both", () => trades.got.length + favorites.got.length === 2);

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
    proxy.throttle(false);
    await eventually("the notice", () => witness.states.some(({ throttle }) => throttle > 0));
    // Passes at this level, and shows that there is a gap before it.
    await publish("trade", "1");
    await eventually("level 0", () => witness.client.status.throttle === 0, 20_000);
    for (let n = 0; n < 5; n++) {
      await publish("trade", `${n}`);
      await publish("favorites", `${n}`);
    }
    for (const [book, offsets] of [
      [trades, published.trade],
      [favorites, published.favorites],
    ] as const) {
      await eventually(
        () => `all of ${book.channels}: ${book.got.length} and ${book.late.length} of ${offsets.length}`,
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
    assert.ok((await gateway.metrics()).sum("ws_replays_total") > 0, "there was a gap");
  });
});
