/** The compact encoding of a real gateway, read by the decoder in Python that PROTOCOL.md prints. */

import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { Market } from "@odin-ws/publisher/market";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { withoutNats } from "../harness/nats.ts";
import { OPCODE, type RawClient, rawUpgrade } from "../harness/raw.ts";
import { shareGateway } from "../harness/shared-gateway.ts";

const PROTOCOL = new URL("../../protocol/PROTOCOL.md", import.meta.url);
const DEFLATE = { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } };

const withoutPython = () =>
  spawnSync("python3", ["-c", "import zlib"]).status === 0
    ? false
    : "no python3 found: install it (Debian: apt-get install python3)";

/** Decodes messages with the program of PROTOCOL.md. Returns the texts of the envelopes. */
async function decodeInPython(messages: readonly Buffer[]): Promise<string[]> {
  const [, decoder] = /```python\n(.*?)```/s.exec(await readFile(PROTOCOL, "utf8")) ?? [];
  assert.ok(decoder, "PROTOCOL.md has a decoder in Python");
  const program = `${decoder}
import sys, json
decoder = Decoder()
texts = [decoder.decode(bytes.fromhex(line)) for line in sys.stdin.read().split()]
print(json.dumps([text for text in texts if text is not None]))`;
  const input = messages.map((message) => message.toString("hex")).join("\n");
  const { status, stdout, stderr } = spawnSync("python3", ["-c", program], { input, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

const binary = ({ frames }: RawClient) => frames.filter(({ opcode }) => opcode === OPCODE.binary);
const envelopes = (client: RawClient) => binary(client).filter(({ payload }) => payload[0] !== 0);
const sum = (frames: readonly { wireBytes: number }[]) =>
  frames.reduce((bytes, { wireBytes }) => bytes + wireBytes, 0);

describe("compact encoding", { skip: withoutNats() || withoutPython() }, () => {
  const shared = shareGateway();

  /** Publishes the simulated market. Returns the offset of the last message. */
  const publishMarket = async (count: number): Promise<number> => {
    const market = new Market({ tokens: 20, seed: 3 });
    let last = 0;
    for (let n = 0; n < count; n++) {
      const { subject, data } = n % 100 === 0 ? market.trending(Date.now()) : market.next(Date.now());
      last = await shared.nats.publish(subject, JSON.stringify(data));
    }
    return last;
  };

  test("a decoder in Python reads every message, also after a resume and a replay", async (t) => {
    const compact = await rawUpgrade(t, shared.gateway, { path: "/ws?encoding=compact", ...DEFLATE });
    const deflate = await rawUpgrade(t, shared.gateway, DEFLATE);
    const json = await connect(t, shared.gateway);
    assert.equal("encoding" in json.welcome, false, "a client that does not ask sees no difference");
    for (const client of [compact, deflate]) client.send({ type: "subscribe", channels: ["*.*"] });
    await json.subscribe(["*.*"]);
    const [welcome] = await compact.receive(2);
    assert.match(String(welcome?.payload), /"encoding":"compact"/);
    await json.at(await publishMarket(400));
    const since = { epoch: json.welcome.epoch, offset: json.envelopes[99]?.offset ?? 0 };
    compact.send({ type: "replay", from_seq: 301, to_seq: 400 });
    compact.send({ type: "unsubscribe", channels: ["*.*"] });
    compact.send({ type: "subscribe", channels: ["*.*"], since });
    await compact.receive(5);
    await json.at(await publishMarket(200));
    compact.send({ type: "heartbeat" });
    await compact.receive(6);
    assert.ok(
      binary(compact).every(({ rsv1 }) => !rsv1),
      "permessage-deflate is not applied",
    );

    const texts = await decodeInPython(binary(compact).map(({ payload }) => payload));
    const expected = json.texts.filter((text) => text.startsWith('{"seq"'));
    const renumbered = expected.slice(100, 400).map((text, n) => text.replace(/\d+/, String(401 + n)));
    assert.deepEqual(texts.slice(0, 400), expected.slice(0, 400));
    assert.deepEqual(texts.slice(400, 500), expected.slice(300, 400));
    assert.deepEqual(texts.slice(500, 800), renumbered);
    const after = expected.slice(400).map((text, n) => text.replace(/\d+/, String(701 + n)));
    assert.deepEqual(texts.slice(800), after);

    // After the first dictionaries, most messages have a base.
    const bytes = sum(envelopes(compact).slice(100, 400));
    const deflated = deflate.frames.filter(({ rsv1 }) => rsv1).slice(100, 400);
    assert.ok(bytes < sum(deflated) * 0.6, `${bytes} bytes, ${sum(deflated)} with permessage-deflate`);
    const metrics = await shared.gateway.metrics();
    assert.equal(metrics.sum("ws_bytes_sent_total", { encoding: "compact" }), sum(binary(compact)));
  });

  test("a client that names the dictionaries that it has kept does not get their bytes", async (t) => {
    const first = await rawUpgrade(t, shared.gateway, { path: "/ws?encoding=compact" });
    first.send({ type: "subscribe", channels: ["*.trade"], since: { epoch: "none", offset: 0 } });
    await publishMarket(60);
    first.send({ type: "heartbeat" });
    await first.receive(3);
    const definitions = binary(first).filter(({ payload }) => payload[0] === 0);
    assert.equal(definitions.length, 1);
    const id = definitions[0]?.payload.toString("hex", 2, 10);
    const path = `/ws?encoding=compact&dictionaries=0000000000000000,${id}`;
    const next = await rawUpgrade(t, shared.gateway, { path });
    next.send({ type: "subscribe", channels: ["*.trade"] });
    await next.receive(2);
    assert.deepEqual(
      binary(next).map(({ payload }) => payload.toString("hex", 2)),
      [id],
    );
    await publishMarket(10);
    next.send({ type: "heartbeat" });
    await next.receive(3);
    const [reference, ...more] = binary(next);
    assert.equal(more.filter(({ payload }) => payload[0] === 0).length, 0);
    const head = definitions[0]?.payload;
    const texts = await decodeInPython([head ?? Buffer.alloc(0), ...more.map(({ payload }) => payload)]);
    assert.ok(texts.length > 0 && texts.every((text) => text.includes('.trade"')));
    assert.equal(reference?.payload.length, 10);
  });

  test("every worker gets the dictionaries", async (t) => {
    const gateway = await startGateway(t, { nats: shared.nats, env: { WS_WORKER_POOL_SIZE: "2" } });
    const path = "/ws?encoding=compact";
    const clients = await Promise.all(Array.from({ length: 8 }, () => rawUpgrade(t, gateway, { path })));
    for (const client of clients) client.send({ type: "subscribe", channels: ["*.trade"] });
    for (const client of clients) await client.receive(2);
    await publishMarket(60);
    for (const client of clients) {
      client.send({ type: "heartbeat" });
      await client.receive(3);
      const messages = binary(client).map(({ payload }) => payload);
      assert.ok((await decodeInPython(messages)).length > 20);
      assert.equal(messages.filter(([first]) => first === 0).length, 1);
    }
  });

  test("with WS_COMPACT=false a client that asks gets JSON", async (t) => {
    const gateway = await startGateway(t, { nats: shared.nats, env: { WS_COMPACT: "false" } });
    const client = await connect(t, gateway, { path: "/ws?encoding=compact" });
    assert.equal(client.welcome.encoding, "json");
    await client.subscribe(["*.*"]);
    await client.at(await publishMarket(3));
  });
});
