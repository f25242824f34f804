/** The envelope: the publisher's unchanged bytes, the type, the priority and the position in the stream. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { EVENTS } from "@odin-ws/protocol";
import { connect } from "../harness/client.ts";
import { STREAM, withoutNats } from "../harness/nats.ts";
import { shareGateway } from "../harness/shared-gateway.ts";
import { eventually } from "../harness/wait.ts";

describe("envelope", { skip: withoutNats() }, () => {
  const shared = shareGateway();

  test("the publisher's JSON arrives byte for byte", async (t) => {
    const plain = await connect(t, shared.gateway);
    const deflating = await connect(t, shared.gateway, { deflate: true });
    for (const client of [plain, deflating]) await client.subscribe(["BYTES.trade"]);
    const bodies = [
      '{"price":1.0,"tiny":1e-400,"huge":1e400,"zero":-0,"long":0.10000000000000000000000001}',
      '{"id":12345678901234567890123,"e":1E+2}',
      '{"text":"é€😀 \\u00e9 \\ud83d\\ude00 \\/ \\" \u2028","":{"":[]}}',
      ' {\n\t"spaced" : [ 1 , 2 ]\r\n} ',
      '{"twice":1,"twice":2,"__proto__":{"a":1}}',
      "1.0",
      "null",
      '"text"',
      "[]",
      "true",
    ];
    const offsets = await shared.nats.publishAll("odin.token.BYTES.trade", bodies);
    for (const client of [plain, deflating]) {
      const envelopes = await client.receive(bodies.length);
      const texts = client.texts.slice(-bodies.length);
      for (const [index, body] of bodies.entries()) {
        const head = `{"seq":${index + 1},"offset":${offsets[index]},"ts":${envelopes[index]?.ts},"type":"price:update",`;
        assert.equal(texts[index], `${head}"priority":"high","channel":"BYTES.trade","data":${body}}`);
      }
    }
  });

  test("messages arrive unchanged at every length of frame", async (t) => {
    const plain = await connect(t, shared.gateway);
    const deflating = await connect(t, shared.gateway, { deflate: true });
    for (const client of [plain, deflating]) await client.subscribe(["LENGTH.trade"]);
    // Lengths around 125 bytes, 65,535 bytes and the limit of a stored deflate block. The range of 160 covers
    // the bytes that the envelope adds to the body.
    const around = (length: number) => Array.from({ length: 160 }, (_, n) => Math.max(0, length - n));
    const lengths = [0, 1, ...around(130), ...around(65_540), 200_000, 500_000];
    const bodies = lengths.map((length, n) => JSON.stringify(String(n % 10).repeat(length)));
    for (const [index, body] of bodies.entries()) {
      // Waits for each message, because a burst of this size would overflow the send buffers, as intended.
      const offset = await shared.nats.publish("odin.token.LENGTH.trade", body);
      for (const client of [plain, deflating]) {
        const { data } = await client.at(offset);
        // Does not use deepEqual, because its failure would print megabytes.
        if (JSON.stringify(data) !== body) assert.fail(`body of ${lengths[index]} bytes arrived changed`);
      }
    }
  });

  test("ts is the time at which the stream stored the message", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["TIME.trade"]);
    const seq = await shared.nats.publish("odin.token.TIME.trade", {});
    const { ts } = await client.at(seq);
    const stored = await shared.nats.jsm.streams.getMessage(STREAM, { seq });
    assert.ok(Number.isSafeInteger(ts));
    assert.ok(
      Math.abs(ts - (stored?.time.getTime() ?? 0)) <= 1,
      `ts is ${ts}, but the stream stored the message at ${stored?.time.getTime()}`,
    );
  });

  test("type and priority follow the event", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["KIND.*", "global.*"]);
    const kinds: [subject: string, type: string, priority: string][] = [
      ["token.KIND.trade", "price:update", "high"],
      ["token.KIND.liquidity", "liquidity:update", "high"],
      ["token.KIND.update", "token:update", "high"],
      ["token.KIND.balances", "balances:update", "critical"],
      ["token.KIND.creation", "token:created", "medium"],
      ["token.KIND.social", "social:update", "medium"],
      ["token.KIND.comment", "comment:update", "medium"],
      ["token.KIND.metadata", "metadata:update", "low"],
      ["token.KIND.favorites", "favorites:update", "low"],
      ["token.KIND.analytics", "analytics:update", "low"],
      ["token.KIND.halted", "halted:update", "medium"],
      ["token.KIND.toString", "toString:update", "medium"],
      ["global.trending", "trending:update", "medium"],
      ["global.new_listing", "listing:new", "medium"],
      ["global.outage", "outage:update", "medium"],
    ];
    const tested = kinds.map(([subject]) => subject.split(".").at(-1));
    for (const event of Object.keys(EVENTS)) assert.ok(tested.includes(event), `add a row for ${event}`);
    for (const [subject] of kinds) await shared.nats.publish(`odin.${subject}`, {});
    const got = await client.receive(kinds.length);
    assert.deepEqual(
      got.map(({ channel, type, priority }) => [channel, type, priority]),
      kinds.map(([subject, type, priority]) => [subject.replace("token.", ""), type, priority]),
    );
  });

  test("the publisher's headers override type and priority", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["HEAD.trade"]);
    const cases: [headers: Record<string, string>, type: string, priority: string][] = [
      [{ "Odin-Type": "price:correction" }, "price:correction", "high"],
      [{ "Odin-Priority": "critical" }, "price:update", "critical"],
      [{ "Odin-Type": "price:bulk", "Odin-Priority": "low" }, "price:bulk", "low"],
      // An unknown priority leaves the event's own priority.
      [{ "Odin-Priority": "urgent" }, "price:update", "high"],
    ];
    for (const [headers] of cases) await shared.nats.publish("odin.token.HEAD.trade", {}, { headers });
    const got = await client.receive(cases.length);
    assert.deepEqual(
      got.map(({ type, priority }) => [type, priority]),
      cases.map(([, type, priority]) => [type, priority]),
    );
  });

  test("a header cannot break out of the envelope", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["EVIL.trade"]);
    const headers = { "Odin-Type": 'x","data":"forged' };
    const evil = await shared.nats.publish("odin.token.EVIL.trade", { real: 1 }, { headers });
    const last = await shared.nats.publish("odin.token.EVIL.trade", { real: 2 });
    await client.at(last);
    const first = await client.at(evil);
    assert.deepEqual(first.data, { real: 1 });
  });

  test("a message that is published twice with one Nats-Msg-Id is delivered once", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["DEDUP.trade"]);
    const headers = { "Nats-Msg-Id": "event-1" };
    const first = await shared.nats.publish("odin.token.DEDUP.trade", {}, { headers });
    assert.equal(await shared.nats.publish("odin.token.DEDUP.trade", {}, { headers }), first);
    const last = await shared.nats.publish("odin.token.DEDUP.trade", {});
    await client.at(last);
    assert.deepEqual(
      client.envelopes.map(({ offset }) => offset),
      [first, last],
    );
  });

  test("payloads that are not JSON are counted, logged once and not delivered", async (t) => {
    const client = await connect(t, shared.gateway);
    await client.subscribe(["BAD.trade"]);
    const before = (await shared.gateway.metrics()).sum("ws_messages_dropped_total");
    const logged = shared.gateway.process.output.length;
    const bad = ["not json", '{"a":1}x', "", '{"a":', "NaN", "'a'", Buffer.from([0x22, 0xff, 0xfe, 0x22])];
    for (const body of bad) await shared.nats.publish("odin.token.BAD.trade", body);
    const last = await shared.nats.publish("odin.token.BAD.trade", { good: true });
    await client.at(last);
    assert.equal(client.envelopes.length, 1);
    await shared.gateway.metric("ws_messages_dropped_total", {}, (value) => value === before + bad.length);
    const lines = () => shared.gateway.process.output.slice(logged).split("\n");
    const complaints = () => lines().filter((line) => /json/i.test(line)).length;
    await eventually("a log line about JSON", () => complaints() > 0);
    assert.equal(complaints(), 1, lines().join("\n"));
    await shared.gateway.assertAlive();
  });
});
