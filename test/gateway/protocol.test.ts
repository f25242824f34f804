/** The wire protocol: welcome, subscriptions, patterns, heartbeat. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { withoutNats } from "../harness/nats.ts";
import { shareGateway } from "../harness/shared-gateway.ts";
import { eventually, within } from "../harness/wait.ts";

describe("protocol", { skip: withoutNats() }, () => {
  const shared = shareGateway();

  test("the welcome is the first message and contains the position of the stream", async (t) => {
    const offset = await shared.nats.publish("odin.token.WELCOME.trade", { price: 1 });
    const witness = await connect(t, shared.gateway);
    await shared.gateway.metric("ws_stream_messages_total", { event: "trade" }, (value) => value >= 1);
    const client = await connect(t, shared.gateway);
    const { welcome } = client;
    const stats = await shared.gateway.stats();
    assert.equal(welcome.offset, offset);
    assert.equal(welcome.epoch, stats.epoch);
    assert.equal(welcome.instance, stats.instance);
    assert.equal(welcome.heartbeat_seconds, 25);
    assert.ok(!("max_channels" in welcome), "only another limit than 256 is announced");
    assert.ok(welcome.reconnect.min_ms >= 0 && welcome.reconnect.max_ms > welcome.reconnect.min_ms);
    assert.notEqual(welcome.connection, witness.welcome.connection);
    assert.equal(welcome.epoch, witness.welcome.epoch);
  });

  test("the acknowledgement lists all channels of the connection", async (t) => {
    const client = await connect(t, shared.gateway);
    const first = await client.subscribe(["ACK.trade", "ACK.trade", "odin.token.ACK.update"]);
    assert.deepEqual(first.subscribed.toSorted(), ["ACK.trade", "ACK.update"]);
    assert.equal(first.count, 2);
    assert.equal("recovered" in first, false, "only an answer to `since` has `recovered`");
    const second = await client.subscribe(["odin.global.trending", "ACK.*", "ACK.trade"]);
    assert.deepEqual(second.subscribed.toSorted(), ["ACK.*", "ACK.trade", "ACK.update", "global.trending"]);
    assert.equal(second.count, 4);
    const gone = ["odin.token.ACK.trade", "ACK.*", "NEVER.held"];
    const third = await client.ask({ type: "unsubscribe", channels: gone }, "subscription_ack");
    assert.deepEqual(third.subscribed.toSorted(), ["ACK.update", "global.trending"]);
    assert.equal(third.count, 2);
  });

  test("a client gets only its channels, numbered without gaps", async (t) => {
    const client = await connect(t, shared.gateway);
    const idle = await connect(t, shared.gateway);
    await client.subscribe(["MINE.trade", "odin.token.MINE.update", "global.new_listing"]);
    const offsets = [];
    for (let n = 0; n < 20; n++) {
      offsets.push(await shared.nats.publish("odin.token.MINE.trade", { n }));
      await shared.nats.publish("odin.token.OTHER.trade", { n });
      await shared.nats.publish("odin.token.MINE.liquidity", { n });
      offsets.push(await shared.nats.publish("odin.token.MINE.update", { n }));
      offsets.push(await shared.nats.publish("odin.global.new_listing", { n }));
    }
    const got = await client.receive(60);
    assert.deepEqual(
      got.map(({ seq }) => seq),
      offsets.map((_, index) => index + 1),
    );
    assert.deepEqual(
      got.map(({ offset }) => offset),
      offsets,
    );
    assert.equal(idle.messages.length, 1, "a client without subscriptions gets only the welcome");
  });

  test("patterns match on both sides of the dot", async (t) => {
    const token = await connect(t, shared.gateway);
    const event = await connect(t, shared.gateway);
    const global = await connect(t, shared.gateway);
    await token.subscribe(["PAT.*"]);
    await event.subscribe(["*.patevent"]);
    await global.subscribe(["global.*"]);
    const both = await shared.nats.publish("odin.token.PAT.patevent", {});
    const tokenOnly = await shared.nats.publish("odin.token.PAT.trade", {});
    const eventOnly = await shared.nats.publish("odin.token.PATX.patevent", {});
    const trending = await shared.nats.publish("odin.global.trending", {});
    const last = await shared.nats.publish("odin.token.PAT.patevent", {});
    const globalLast = await shared.nats.publish("odin.global.new_listing", {});
    await Promise.all([token.at(last), event.at(last), global.at(globalLast)]);
    const offsets = (client: typeof token) => client.envelopes.map(({ offset }) => offset);
    assert.deepEqual(offsets(token), [both, tokenOnly, last]);
    assert.deepEqual(offsets(event), [both, eventOnly, last]);
    assert.deepEqual(offsets(global), [trending, globalLast]);
  });

  test("a message that several subscriptions match is delivered once", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["ONCE.trade", "ONCE.*", "*.once", "ONCE.once", "odin.token.ONCE.trade"]);
    await client.subscribe(["ONCE.trade"]);
    const offsets = [
      await shared.nats.publish("odin.token.ONCE.trade", {}),
      await shared.nats.publish("odin.token.ONCE.once", {}),
      await shared.nats.publish("odin.token.ONCE.update", {}),
    ];
    const got = await client.receive(3);
    const { seq } = await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    assert.equal(seq, 3);
    assert.deepEqual(
      got.map(({ offset }) => offset),
      offsets,
    );
  });

  test("unsubscribing ends a channel, but not a pattern that matches the channel", async (t) => {
    const client = await connect(t, shared.gateway);
    const covered = await connect(t, shared.gateway);
    await client.subscribe(["OFF.trade", "OFF.update", "OFF.last"]);
    await covered.subscribe(["OFF.*", "OFF.trade"]);
    await client.ask({ type: "unsubscribe", channels: ["OFF.trade"] }, "subscription_ack");
    await covered.ask({ type: "unsubscribe", channels: ["OFF.trade"] }, "subscription_ack");
    const trade = await shared.nats.publish("odin.token.OFF.trade", {});
    const update = await shared.nats.publish("odin.token.OFF.update", {});
    const offsets = (of: typeof client) => of.envelopes.map(({ offset }) => offset);
    await Promise.all([client.at(update), covered.at(update)]);
    assert.deepEqual(offsets(client), [update]);
    assert.deepEqual(offsets(covered), [trade, update]);
    await covered.ask({ type: "unsubscribe", channels: ["OFF.*"] }, "subscription_ack");
    const last = await shared.nats.publish("odin.token.OFF.last", {});
    await client.at(last);
    assert.equal((await covered.ask({ type: "heartbeat" }, "heartbeat_ack")).seq, 2);
  });

  test("names with a meaning in JavaScript are ordinary channels", async (t) => {
    const client = await connect(t, shared.gateway);
    const names = ["__proto__.trade", "constructor.prototype", "hasOwnProperty.toString"];
    const ack = await client.subscribe(names);
    assert.deepEqual(ack.subscribed.toSorted(), names.toSorted());
    for (const name of names) await shared.nats.publish(`odin.token.${name}`, { name });
    const got = await client.receive(names.length);
    assert.deepEqual(
      got.map(({ channel }) => channel),
      names,
    );
  });

  test("the answer to a heartbeat contains the last seq and the position of the stream", async (t) => {
    const client = await connect(t, shared.gateway);
    const silent = await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    assert.equal(silent.seq, 0);
    await client.subscribe(["BEAT.trade"]);
    await shared.nats.publish("odin.token.BEAT.trade", {});
    const offset = await shared.nats.publish("odin.token.BEAT.trade", {});
    await client.receive(2);
    const ack = await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    assert.equal(ack.seq, 2);
    assert.equal(ack.offset, offset);
  });

  test("the gateway answers a ping, and answers a close with the same code", async (t) => {
    const client = await connect(t, shared.gateway);
    const pong = new Promise<Buffer>((resolve) => client.socket.once("pong", resolve));
    client.socket.ping("are you there");
    assert.equal(String(await within("pong", pong)), "are you there");
    assert.equal((await client.close()).code, 1000);
    await shared.gateway.metric("ws_connections_current", {}, (value) => value < 20);
  });

  test("a client that does not answer two pings is closed, and a client that answers stays connected", async (t) => {
    const quick = await startGateway(t, { nats: shared.nats, env: { WS_PING_SECONDS: "1" } });
    const lively = await connect(t, quick);
    const dead = await connect(t, quick, { autoPong: false });
    assert.equal(lively.welcome.heartbeat_seconds, 1);
    let pings = 0;
    lively.socket.on("ping", () => pings++);
    const opened = Date.now();
    await within("the close of the silent client", dead.closed);
    assert.ok(Date.now() - opened > 1900, "the client must not be closed before it has missed two pings");
    const seen = pings;
    await eventually("more pings", () => pings >= seen + 2);
    await lively.ask({ type: "heartbeat" }, "heartbeat_ack");
  });

  test("without subscription filtering every client gets every message", async (t) => {
    const open = await startGateway(t, {
      nats: shared.nats,
      env: { ENABLE_SUBSCRIPTION_FILTERING: "false" },
    });
    const client = await connect(t, open);
    const other = await connect(t, open);
    await other.subscribe(["SOMETHING.else"]);
    const offsets = [
      await shared.nats.publish("odin.token.ALL.trade", {}),
      await shared.nats.publish("odin.token.SOMETHING.else", {}),
      await shared.nats.publish("odin.global.trending", []),
    ];
    for (const one of [client, other]) {
      const got = await one.receive(3);
      assert.deepEqual(
        got.map(({ offset }) => offset),
        offsets,
      );
    }
  });

  test("WS_PATH sets the path of the endpoint", async (t) => {
    const moved = await startGateway(t, { nats: shared.nats, env: { WS_PATH: "/stream" } });
    await connect(t, moved, { path: "/stream" });
    await assert.rejects(connect(t, moved), /refused with 404/);
  });
});
