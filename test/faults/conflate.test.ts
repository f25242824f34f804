/** `WS_THROTTLE_POLICY=conflate`: a slow client gets the newest message of each channel. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { pause } from "../harness/wait.ts";

const BODY = JSON.stringify(randomBytes(50_000).toString("hex"));
const CHANNELS = ["*.trade"];
const TOKENS = 20;
const ROUNDS = 10;

/** A gateway, a client that reads, and one that does not read any more, whose buffers are full. */
async function setUp(t: Owner) {
  const nats = await startNats(t);
  const gateway = await startGateway(t, {
    nats,
    env: {
      WS_THROTTLE_POLICY: "conflate",
      // A client is beyond the last level 3 s after the first level.
      WS_THROTTLE_MAX_LEVEL: "1",
      WS_SEND_BUFFER_BYTES: "65536",
      WS_MAX_NATS_RATE: "0",
      WS_MAX_BROADCAST_RATE: "0",
    },
  });
  const [neighbour, slow] = [await connect(t, gateway), await connect(t, gateway)];
  for (const client of [neighbour, slow]) await client.subscribe(CHANNELS);
  slow.socket.pause();
  const publish = async (token: string, body: unknown = BODY) =>
    neighbour.at(await nats.publish(`odin.token.${token}.trade`, body));
  const stalledAt = Date.now();
  const levels = async () => (await gateway.metrics()).sum("ws_throttle_transitions_total");
  for (let n = 0; (await levels()) === 0; n++) {
    assert.ok(n < 600, "the slow client is not at the first level after 60 MB");
    await publish("FULL");
  }
  return { gateway, neighbour, slow, publish, stalledAt };
}

describe("policy conflate", { skip: withoutNats(), concurrency: true }, () => {
  test("a client that reads again gets the newest of each channel, the rest with since, and is not closed while it reads slowly", async (t) => {
    const { gateway, neighbour, slow, publish } = await setUp(t);
    const before = neighbour.position;
    for (let round = 0; round < ROUNDS; round++) {
      for (let token = 0; token < TOKENS; token++) await publish(`T${token}`, { round });
    }
    // The newest message of FULL may also have been replaced.
    await gateway.metric("ws_conflated_total", {}, (value) => value >= TOKENS * (ROUNDS - 1));
    slow.socket.resume();
    await slow.at(neighbour.position.offset);
    const fresh = slow.envelopes.filter(({ offset }) => offset > before.offset);
    const newest = neighbour.envelopes.slice(-TOKENS);
    assert.deepEqual(
      fresh.map(({ offset, channel, data }) => ({ offset, channel, data })),
      newest.map(({ offset, channel, data }) => ({ offset, channel, data })),
    );
    assert.deepEqual(
      slow.envelopes.map(({ seq }) => seq),
      slow.envelopes.map((_, index) => index + 1),
    );
    const end = await slow.ask({ type: "heartbeat" }, "heartbeat_ack");
    assert.equal(end.offset, neighbour.position.offset, "what was left out is no loss");
    assert.equal((await gateway.stats()).dropped, 0);
    const ack = await slow.subscribe(CHANNELS, before);
    assert.deepEqual([ack.recovered, ack.replayed], [true, TOKENS * (ROUNDS - 1)]);
    await slow.ask({ type: "heartbeat" }, "heartbeat_ack");
    assert.deepEqual(
      slow.envelopes.map(({ offset }) => offset).filter((offset) => offset > before.offset).length,
      TOKENS * ROUNDS,
    );

    slow.socket.pause();
    const conflated = async () => (await gateway.metrics()).sum("ws_conflated_total");
    const earlier = await conflated();
    for (let n = 0; (await conflated()) === earlier; n++) {
      assert.ok(n < 600, "the buffers are not full after 60 MB");
      await publish("FULL");
    }
    // A line of at most 2 MB/s, for longer than the last level lasts, with more messages than it can take.
    const { _socket: line } = slow.socket as unknown as { _socket: Socket };
    let limited = true;
    line.on("data", () => {
      if (!limited) return;
      line.pause();
      setTimeout(() => line.resume(), 30);
    });
    slow.socket.resume();
    for (const until = Date.now() + 4000; Date.now() < until; await pause(80)) {
      for (let token = 0; token < 4; token++) await publish(`T${token}`);
    }
    assert.equal(slow.closedWith, undefined);
    limited = false;
    await slow.at(neighbour.position.offset);
    const lastOf = (channel: string) => slow.envelopes.findLast((one) => one.channel === channel)?.offset;
    for (const { channel, offset } of neighbour.envelopes.slice(-4)) assert.equal(lastOf(channel), offset);
  });

  test("a client that never reads again is closed after 10 s", async (t) => {
    const { gateway, slow, publish, stalledAt } = await setUp(t);
    // A closed connection has no subscriptions, even before the client has answered the close.
    while ((await gateway.stats()).subscriptions === 2) {
      assert.ok(Date.now() < stalledAt + 25_000, "the client is not closed");
      await publish("T0", {});
      await pause(100);
    }
    const after = Date.now() - stalledAt;
    assert.ok(after >= 10_000, `closed after ${after} ms`);
    slow.socket.resume();
    const { code, reason } = await slow.ended();
    assert.deepEqual([code, reason], [1008, "too slow"]);
    const got = slow.envelopes.filter(({ channel }) => channel === "T0.trade");
    assert.deepEqual(got, [], "what waited is not sent behind the close");
  });
});
