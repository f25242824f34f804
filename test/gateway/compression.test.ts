/** permessage-deflate (RFC 7692) on the wire: negotiation, RSV1, window sizes and message sizes. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { withoutNats } from "../harness/nats.ts";
import { inflate, OPCODE, type RawClient, rawUpgrade } from "../harness/raw.ts";
import { shareGateway } from "../harness/shared-gateway.ts";

const EXTENSIONS = "Sec-WebSocket-Extensions";
const offering = (extensions: string) => ({ headers: { [EXTENSIONS]: extensions } });

// A top-100 list as a backend sends it: names repeat and numbers do not.
function trending(): string {
  const tokens = Array.from({ length: 100 }, (_, rank) => {
    const random = (digits: number) => Number((Math.random() * 10 ** digits).toPrecision(digits));
    return {
      rank: rank + 1,
      symbol: `TOK${rank}`,
      name: `Token number ${rank}`,
      price: random(6) / 1e4,
      change_24h: random(4) / 100,
      volume_24h: random(8),
      market_cap: random(9),
      holders: Math.round(random(5)),
    };
  });
  return JSON.stringify({ tokens });
}

// A body that repeats at distances beyond a small window, and also at distances within a small window.
function farRepeats(): string {
  const far = randomBytes(2_500).toString("hex");
  const near = randomBytes(60).toString("hex");
  return JSON.stringify({ a: far, b: near.repeat(20), c: far, d: near });
}

const wireBytes = (client: RawClient) =>
  client.frames.filter(({ opcode }) => opcode === OPCODE.text).at(-1)?.wireBytes ?? 0;

describe("compression", { skip: withoutNats() }, () => {
  const shared = shareGateway();

  const subscribed = async (client: RawClient, channel: string) => {
    client.send({ type: "subscribe", channels: [channel] });
    await client.receive(2); // welcome and acknowledgement
  };

  test("a client that offers compression gets compressed frames, and any other client gets plain ones", async (t) => {
    const deflating = await rawUpgrade(t, shared.gateway, offering("permessage-deflate"));
    const plain = await rawUpgrade(t, shared.gateway);
    assert.match(deflating.header(EXTENSIONS), /^permessage-deflate\b.*server_no_context_takeover/);
    assert.equal(plain.header(EXTENSIONS), "");
    for (const client of [deflating, plain]) await subscribed(client, "global.trending");
    const bodies = Array.from({ length: 5 }, trending);
    await shared.nats.publishAll("odin.global.trending", bodies);
    for (const client of [deflating, plain]) {
      const frames = (await client.receive(7)).slice(2);
      for (const [index, { fin, rsv1 }] of frames.entries()) {
        assert.equal(fin, true);
        assert.equal(rsv1, client === deflating, "RSV1 marks a compressed message");
        const text = client.texts()[index + 2] ?? "";
        assert.ok(text.startsWith(`{"seq":${index + 1},`) && text.endsWith(`"data":${bodies[index]}}`));
      }
    }
    assert.deepEqual(deflating.texts().slice(2), plain.texts().slice(2));
    const ratio = wireBytes(deflating) / wireBytes(plain);
    assert.ok(ratio <= 0.4, `the compressed list takes ${(ratio * 100).toFixed(1)} % of its plain bytes`);
  });

  for (const bits of [8, 9, 10, 11, 12, 13, 14, 15]) {
    test(`the gateway keeps to server_max_window_bits=${bits}`, async (t) => {
      const client = await rawUpgrade(
        t,
        shared.gateway,
        offering(`permessage-deflate; server_max_window_bits=${bits}; client_max_window_bits`),
      );
      assert.equal(client.status, 101);
      const answer = client.header(EXTENSIONS);
      // zlib has no window of 8 bits. The server may decline this offer, or accept it and send plain
      // messages.
      if (answer === "") assert.equal(bits, 8, "the gateway declined the offer");
      else assert.ok(Number(/server_max_window_bits=(\d+)/.exec(answer)?.[1]) <= bits, answer);
      const channel = `WINDOW${bits}.trade`;
      await subscribed(client, channel);
      const body = farRepeats();
      await shared.nats.publish(`odin.token.${channel}`, body);
      await client.receive(3);
      const frame = client.frames.filter(({ opcode }) => opcode === OPCODE.text).at(-1);
      assert.ok(frame);
      assert.equal(frame.rsv1, bits > 8);
      // An inflater with exactly this window fails when the message refers back further.
      const text = frame.rsv1 ? inflate(frame.payload, Math.max(9, bits)) : frame.payload.toString();
      assert.ok(text.endsWith(`"data":${body}}`));
    });
  }

  test("clients with different windows and a client without compression get the same texts at the same time", async (t) => {
    const offers = ["", "permessage-deflate", "permessage-deflate; server_max_window_bits=9"];
    const clients = await Promise.all(offers.map((offer) => rawUpgrade(t, shared.gateway, offering(offer))));
    for (const client of clients) await subscribed(client, "MIXED.trade");
    const bodies = Array.from({ length: 20 }, farRepeats);
    await shared.nats.publishAll("odin.token.MIXED.trade", bodies);
    for (const [index, client] of clients.entries()) {
      await client.receive(22);
      const texts = client.texts(index === 2 ? 9 : 15).slice(2);
      assert.ok(texts.every((text, n) => text.endsWith(`"data":${bodies[n]}}`)));
    }
  });

  test("an offer with unknown or invalid parameters is not accepted", async (t) => {
    for (const offer of [
      "permessage-deflate; made_up=1",
      "permessage-deflate; server_max_window_bits=99",
      "permessage-bzip2",
    ]) {
      const client = await rawUpgrade(t, shared.gateway, offering(offer));
      assert.equal(client.header(EXTENSIONS), "", offer);
      // The gateway may decline the extension or refuse the handshake.
      assert.ok(client.status === 101 || client.status === 400, `${offer}: ${client.status}`);
    }
  });

  test("the gateway chooses a suitable offer among several", async (t) => {
    const client = await rawUpgrade(
      t,
      shared.gateway,
      offering("permessage-deflate; server_max_window_bits=10, permessage-deflate"),
    );
    assert.match(client.header(EXTENSIONS), /^permessage-deflate/);
  });

  test("small and incompressible bodies arrive unchanged", async (t) => {
    const client = await connect(t, shared.gateway, { deflate: true });
    await client.subscribe(["TINY.trade"]);
    const bodies = ["0", '""', "{}", JSON.stringify(randomBytes(40).toString("base64")), '{"price":1.25}'];
    for (let length = 1; length < 400; length += 7) {
      bodies.push(JSON.stringify(randomBytes(length).toString("latin1")), JSON.stringify("a".repeat(length)));
    }
    await shared.nats.publishAll("odin.token.TINY.trade", bodies);
    await client.receive(bodies.length);
    const texts = client.texts.slice(-bodies.length);
    for (const [index, body] of bodies.entries()) {
      assert.ok(texts[index]?.startsWith(`{"seq":${index + 1},`) && texts[index].endsWith(`"data":${body}}`));
    }
  });

  test("compressed messages stay readable when seq has several digits", async (t) => {
    const client = await connect(t, shared.gateway, { deflate: true });
    await client.subscribe(["LONG.trade"]);
    const body = JSON.stringify({ text: "compress me ".repeat(30) });
    for (let round = 0; round < 11; round++) {
      await shared.nats.publishAll("odin.token.LONG.trade", Array(100).fill(body));
      await client.receive((round + 1) * 100);
    }
    assert.equal(client.envelopes.at(-1)?.seq, 1100);
  });

  test("the gateway reads messages that the client compressed", async (t) => {
    const client = await connect(t, shared.gateway, { deflate: true });
    const channels = Array.from({ length: 120 }, (_, n) => `COMPRESSED${n}.trade`);
    // The client's library compresses messages above 1 KiB.
    const ack = await client.subscribe(channels);
    assert.equal(ack.count, 120);
    const again = await client.subscribe(channels);
    assert.equal(again.count, 120);
  });

  test("sent bytes are counted by encoding", async (t) => {
    const client = await connect(t, shared.gateway, { deflate: true });
    await client.subscribe(["global.trending"]);
    const offset = await shared.nats.publish("odin.global.trending", trending());
    await client.at(offset);
    const encodings = (await shared.gateway.metrics())
      .series("ws_bytes_sent_total")
      .filter(({ value }) => value > 0)
      .map(({ labels }) => labels.encoding);
    assert.equal(new Set(encodings).size, 2, `encodings: ${encodings}`);
  });

  test("with WS_COMPRESSION=false the gateway declines every offer", async (t) => {
    const off = await startGateway(t, { nats: shared.nats, env: { WS_COMPRESSION: "false" } });
    const client = await rawUpgrade(t, off, offering("permessage-deflate"));
    assert.equal(client.status, 101);
    assert.equal(client.header(EXTENSIONS), "");
    await subscribed(client, "PLAIN.trade");
    await shared.nats.publish("odin.token.PLAIN.trade", trending());
    await client.receive(3);
    assert.ok(client.frames.every(({ rsv1 }) => !rsv1));
  });
});
