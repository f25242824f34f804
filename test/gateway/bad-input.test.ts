/** Broken and hostile messages get the answer that the protocol defines, and the gateway keeps running. */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { deflateRawSync, constants as zlib } from "node:zlib";
import type { ErrorCode } from "@odin-ws/protocol";
import { connect, type TestClient } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Owner, suiteOwner } from "../harness/owner.ts";
import { frame, OPCODE, rawUpgrade } from "../harness/raw.ts";
import { eventually, pause, within } from "../harness/wait.ts";

const MEBIBYTE = 1024 * 1024;

describe("bad input", () => {
  const owner = suiteOwner();
  let gateway: Gateway;

  before(async () => {
    gateway = await startGateway(owner);
  });

  // Asserts that the connection still works after the client's mistake.
  const assertUsable = async (client: TestClient) => {
    await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    await gateway.assertAlive();
  };

  // Sends these bytes and returns the code of the close frame that answers them.
  const closeCode = async (t: Owner, bytes: Buffer, extensions = ""): Promise<number> => {
    const client = await rawUpgrade(t, gateway, { headers: { "Sec-WebSocket-Extensions": extensions } });
    assert.equal(client.status, 101);
    client.write(bytes);
    const code = await client.closeCodeWithin();
    await within("end of the connection", client.closed);
    await gateway.assertAlive();
    return code;
  };

  test("nesting as deep as a large limit of messages allows is refused", async (t) => {
    const large = await startGateway(t, { env: { WS_MAX_MESSAGE_BYTES: "1048576" } });
    const client = await connect(t, large);
    for (const depth of [8000, 500_000]) {
      client.socket.send("[".repeat(depth) + "]".repeat(depth));
      await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    }
    const codes = client.messages.flatMap((message) => ("code" in message ? [message.code] : []));
    assert.deepEqual(codes, ["invalid_message", "invalid_message"]);
  });

  const answers: [what: string, text: string, code: ErrorCode][] = [
    ["text that is not JSON", "{", "invalid_json"],
    ["an empty message", "", "invalid_json"],
    ["two JSON documents", '{"type":"heartbeat"}{"type":"heartbeat"}', "invalid_json"],
    ["brackets that are never closed", "[".repeat(4000), "invalid_json"],
    ["deep nesting", `${"[".repeat(2000)}${"]".repeat(2000)}`, "invalid_message"],
    ["a number", "1", "invalid_message"],
    ["null", "null", "invalid_message"],
    ["an unknown type", '{"type":"explode"}', "invalid_message"],
    ["a type that is a property of every JavaScript object", '{"type":"__proto__"}', "invalid_message"],
    ["a message without a type", '{"channels":["BTC.trade"]}', "invalid_message"],
    ["a type that is not a string", '{"type":["subscribe"],"channels":["BTC.trade"]}', "invalid_message"],
    ["a subscribe without channels", '{"type":"subscribe"}', "invalid_message"],
    ["an empty list of channels", '{"type":"subscribe","channels":[]}', "invalid_message"],
    ["channels that are not a list", '{"type":"subscribe","channels":"BTC.trade"}', "invalid_message"],
    ["a channel that is not a string", '{"type":"subscribe","channels":[{}]}', "invalid_channel"],
    ["a channel without an event", '{"type":"subscribe","channels":["BTC"]}', "invalid_channel"],
    ["a NATS wildcard", '{"type":"subscribe","channels":["BTC.>"]}', "invalid_channel"],
    ["a channel with a space", '{"type":"subscribe","channels":["B TC.trade"]}', "invalid_channel"],
    ["half of a surrogate pair", '{"type":"subscribe","channels":["\\ud800.trade"]}', "invalid_channel"],
    [
      "one wrong channel among right ones",
      '{"type":"subscribe","channels":["BTC.trade","x"]}',
      "invalid_channel",
    ],
    [
      "a since without an offset",
      '{"type":"subscribe","channels":["A.b"],"since":{"epoch":"e"}}',
      "invalid_message",
    ],
    [
      "a negative offset",
      '{"type":"subscribe","channels":["A.b"],"since":{"epoch":"e","offset":-1}}',
      "invalid_message",
    ],
    ["a replay from seq 0", '{"type":"replay","from_seq":0,"to_seq":3}', "invalid_message"],
    ["a replay backwards", '{"type":"replay","from_seq":3,"to_seq":2}', "invalid_message"],
    ["a replay to seq 1e999", '{"type":"replay","from_seq":1,"to_seq":1e999}', "invalid_message"],
    ["an auth without a token", '{"type":"auth"}', "invalid_message"],
  ];

  for (const [what, text, code] of answers) {
    test(`${what} is answered with ${code}`, async (t) => {
      const client = await connect(t, gateway);
      client.socket.send(text);
      const error = await client.control("error");
      assert.equal(error.code, code);
      assert.ok(
        error.message.length > 0 && error.message.length < 500,
        "the message says what was wrong, in less than 500 characters",
      );
      await assertUsable(client);
      const ack = await client.subscribe(["STILL.here"]);
      assert.deepEqual(ack.subscribed, ["STILL.here"], "no part of the refused message took effect");
    });
  }

  test("a message of 4 KiB is accepted, and one byte more closes the connection with 1009", async (t) => {
    const client = await connect(t, gateway);
    client.socket.send(JSON.stringify({ type: "heartbeat", pad: "x".repeat(4096 - 30) }).padEnd(4096));
    await client.control("heartbeat_ack");
    client.socket.send(JSON.stringify({ type: "heartbeat" }).padEnd(4097));
    assert.equal((await client.ended()).code, 1009);
    await gateway.assertAlive();
  });

  test("a message of 1 MiB closes the connection with 1009", async (t) => {
    assert.equal(await closeCode(t, frame(Buffer.alloc(MEBIBYTE, "x"))), 1009);
  });

  test("a frame that announces 2^63 bytes closes the connection at once", async (t) => {
    const head = Buffer.from([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4]);
    assert.ok([1009, 1002].includes(await closeCode(t, head)));
  });

  test("a message that exceeds 4 KiB in many fragments closes the connection with 1009", async (t) => {
    const fragments = Array.from({ length: 50 }, (_, n) =>
      frame(Buffer.alloc(100, "x"), { opcode: n === 0 ? OPCODE.text : OPCODE.continuation, fin: false }),
    );
    assert.equal(await closeCode(t, Buffer.concat(fragments)), 1009);
  });

  test("a small compressed message with megabytes of content closes the connection with 1009", async (t) => {
    const bomb = deflateRawSync(Buffer.alloc(10 * MEBIBYTE), { finishFlush: zlib.Z_SYNC_FLUSH });
    const small = deflateRawSync(Buffer.alloc(MEBIBYTE), { finishFlush: zlib.Z_SYNC_FLUSH });
    assert.ok(small.length < 4096, "the compressed bytes are within the limit");
    for (const bytes of [bomb, small]) {
      const code = await closeCode(t, frame(bytes.subarray(0, -4), { rsv: 4 }), "permessage-deflate");
      assert.equal(code, 1009);
    }
  });

  test("a text that is not UTF-8 closes the connection with 1007", async (t) => {
    const text = Buffer.concat([Buffer.from('{"type":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
    assert.equal(await closeCode(t, frame(text)), 1007);
  });

  const violations: [what: string, bytes: Buffer][] = [
    ["an unmasked frame", frame('{"type":"heartbeat"}', { mask: false })],
    ["RSV2 set", frame("{}", { rsv: 2 })],
    ["RSV1 set without permessage-deflate", frame("{}", { rsv: 4 })],
    ["an opcode that does not exist", frame("{}", { opcode: 5 })],
    ["a continuation without a first fragment", frame("{}", { opcode: OPCODE.continuation })],
    ["a ping in fragments", frame("x", { opcode: OPCODE.ping, fin: false })],
    ["a ping of 126 bytes", frame(Buffer.alloc(126), { opcode: OPCODE.ping })],
    ["a close code that no endpoint may send", frame(Buffer.from([0x03, 0xed]), { opcode: OPCODE.close })],
  ];
  for (const [what, bytes] of violations) {
    test(`${what} closes the connection with 1002`, async (t) => {
      assert.equal(await closeCode(t, bytes), 1002);
    });
  }

  test("10,000 channels in one message get 1009, and more than 256 over several messages get too_many_channels", async (t) => {
    const names = Array.from({ length: 10_000 }, (_, n) => `C${n}.t`);
    const greedy = await connect(t, gateway);
    greedy.send({ type: "subscribe", channels: names });
    assert.equal((await greedy.ended()).code, 1009);
    const patient = await connect(t, gateway);
    // These 300 channels fit into one message. The gateway refuses the whole list.
    assert.equal(
      (await patient.error({ type: "subscribe", channels: names.slice(0, 300) })).code,
      "too_many_channels",
    );
    assert.equal((await patient.subscribe(names.slice(0, 200))).count, 200);
    for (let n = 200; n < 3000; n += 200) {
      const error = await patient.error({ type: "subscribe", channels: names.slice(n, n + 200) });
      assert.equal(error.code, "too_many_channels");
    }
    assert.equal(
      (await patient.subscribe(names.slice(0, 256))).count,
      256,
      "channels that the client already has do not count again",
    );
    assert.equal(
      (await patient.error({ type: "subscribe", channels: ["one.more"] })).code,
      "too_many_channels",
    );
    await patient.ask({ type: "unsubscribe", channels: names.slice(0, 10) }, "subscription_ack");
    assert.equal((await patient.subscribe(["one.more"])).count, 247);
  });

  test("a client above the inbound rate gets rate_limited, and gets answers again when it slows down", async (t) => {
    const client = await connect(t, gateway);
    for (let n = 0; n < 60; n++) client.send({ type: "heartbeat" });
    const error = await client.control("error");
    assert.equal(error.code, "rate_limited");
    const acks = client.messages.filter((one) => "type" in one && one.type === "heartbeat_ack").length;
    assert.ok(acks >= 40 && acks < 60, `${acks} of 60 were answered: the burst is 40`);
    await eventually("an answer again", async () => {
      const before = client.messages.length;
      client.send({ type: "heartbeat" });
      await pause(200); // 5 a second, below the limit of 20
      return client.messages.slice(before).some((one) => "type" in one && one.type === "heartbeat_ack");
    });
    assert.equal(client.closedWith, undefined);
  });

  test("a client that floods without pause is closed with 1008", async (t) => {
    const client = await connect(t, gateway);
    const flood = setInterval(() => {
      for (let n = 0; n < 100; n++) client.send({ type: "heartbeat" });
    }, 10);
    t.after(() => clearInterval(flood));
    assert.equal((await client.ended()).code, 1008);
    const errors = client.messages.filter((one) => "type" in one && one.type === "error").length;
    assert.ok(errors < 1000, `${errors} errors: the gateway must not answer a flood with a flood`);
    await gateway.assertAlive();
  });

  test("repeated abuse does not make the process grow", async (t) => {
    const huge = frame(Buffer.alloc(MEBIBYTE));
    const abuse = async () => {
      const batch = Array.from({ length: 20 }, async () => {
        const client = await rawUpgrade(t, gateway);
        for (let n = 0; n < 30; n++)
          client.write(frame(`{"type":"subscribe","channels":["${"x".repeat(3000)}"]}`));
        for (let n = 0; n < 30; n++) client.write(frame(`{"type":"subscribe","channels":["G${n}.${n}"]}`));
        client.write(huge);
        await within("end of the connection", client.closed);
      });
      await Promise.all(batch);
    };
    for (let round = 0; round < 5; round++) await abuse();
    const before = gateway.process.rssBytes();
    for (let round = 0; round < 90; round++) await abuse();
    const grown = (gateway.process.rssBytes() - before) / MEBIBYTE;
    // The allocator keeps some 60 MB. A leak in each connection would add 180 MB or more.
    assert.ok(grown < 110, `after 1,800 abusive connections the process has ${grown.toFixed(0)} MiB more`);
    await eventually("no connection left", async () => (await gateway.stats()).connections === 0);
    assert.equal((await gateway.stats()).subscriptions, 0);
    await assertUsable(await connect(t, gateway));
  });
});
