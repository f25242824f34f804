import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { arrayBuffer, definition, encoded, idOf, textOf } from "./compact.fixture.ts";
import { compact, Decoder } from "./compact.ts";
import { begin, URL } from "./connect.fixture.ts";
import type { FakeSocket } from "./fake-line.fixture.ts";

const DICTIONARY = Buffer.from([1, 2, 3].map((price) => textOf("A.trade", price * 1000)).join(""));
const BASE = { number: 2, bytes: DICTIONARY };
const envelope = (seq: number, offset: number, text: string) => `{"seq":${seq},"offset":${offset},${text}`;

describe("decoder", () => {
  test("reads messages without a base, with a dictionary and with the previous message", () => {
    const decoder = new Decoder();
    const [one, two, three] = [textOf("A.trade", 1), textOf("A.trade", 2), textOf("A.trade", 3)];
    assert.equal(decoder.decode(encoded(1, 10, one)), envelope(1, 10, one));
    assert.equal(decoder.decode(definition(2, DICTIONARY)), undefined);
    assert.equal(decoder.decode(encoded(2, 2 ** 40, two, BASE)), envelope(2, 2 ** 40, two));
    const previous = { number: 1, bytes: Buffer.from(two), offset: 2 ** 40 };
    assert.equal(
      decoder.decode(encoded(3, 2 ** 40 + 300, three, previous)),
      envelope(3, 2 ** 40 + 300, three),
    );
    assert.deepEqual(decoder.known, [idOf(DICTIONARY)]);
  });

  test("texts of every script are read", () => {
    const text = textOf("猫.trade", 1).replace("price:update", "цена 📈 é\\u0000");
    assert.equal(new Decoder().decode(encoded(7, 9, text)), envelope(7, 9, text));
  });

  test("large messages are read whole", () => {
    const decoder = new Decoder();
    for (const length of [65_000, 65_536, 300_000]) {
      const text = textOf("A.trade", 1).replace("price:update", "x".repeat(length));
      assert.equal(decoder.decode(encoded(1, 9, text)), envelope(1, 9, text));
    }
  });

  test("a base that this connection does not have is never guessed", () => {
    const decoder = new Decoder();
    const text = textOf("A.trade", 1);
    const previous = { number: 1, bytes: Buffer.from(text), offset: 5 };
    assert.equal(decoder.decode(encoded(1, 6, text, BASE)), "", "no dictionary");
    assert.equal(decoder.decode(encoded(1, 6, text, previous)), "", "no previous message");
    assert.equal(decoder.decode(definition(2, DICTIONARY, true)), "", "a dictionary that was not kept");
    decoder.decode(encoded(1, 5, text, undefined, false));
    assert.equal(decoder.decode(encoded(2, 6, text, previous)), "", "not to be kept");
    decoder.decode(encoded(3, 5, text));
    decoder.decode(definition(2, DICTIONARY));
    decoder.begin();
    assert.equal(decoder.decode(encoded(1, 6, text, BASE)), "", "the dictionary of an earlier connection");
    assert.equal(decoder.decode(encoded(1, 6, text, previous)), "", "a message of an earlier connection");
    assert.equal(decoder.decode(definition(3, DICTIONARY, true)), undefined, "its bytes were kept");
    assert.equal(decoder.decode(encoded(1, 6, text, { ...BASE, number: 3 })), envelope(1, 6, text));
  });

  test("texts beyond the reach of a message, and dictionaries beyond 64, are forgotten", () => {
    const decoder = new Decoder();
    const text = textOf("A.trade", 1);
    const previous = (offset: number) => ({ number: 1, bytes: Buffer.from(text), offset });
    decoder.decode(encoded(1, 10, text));
    decoder.decode(encoded(2, 20, text));
    decoder.decode(encoded(3, 20 + 16_384, text));
    assert.equal(decoder.decode(encoded(4, 20 + 16_385, text, previous(20))), envelope(4, 16_405, text));
    assert.equal(decoder.decode(encoded(5, 20 + 16_386, text, previous(10))), "");
    const many = Array.from({ length: 70 }, (_, n) => Buffer.from(`dictionary ${n}`));
    for (const bytes of many) decoder.decode(definition(2, bytes));
    assert.deepEqual(decoder.known, many.slice(6).map(idOf));
  });

  test("a message that was changed on its way is never read as another message", () => {
    const text = textOf("A.trade", 64_000.5);
    const next = textOf("A.trade", 64_001.5);
    const previous = { number: 1, bytes: Buffer.from(text), offset: 1000 };
    const good = [
      definition(2, DICTIONARY),
      encoded(1, 1000, text, BASE),
      encoded(2, 1003, next, previous),
      encoded(3, 1004, next),
    ];
    const expected = [undefined, envelope(1, 1000, text), envelope(2, 1003, next), envelope(3, 1004, next)];
    const change = fc.oneof(
      fc.record({ flip: fc.nat(), bit: fc.nat(7) }),
      fc.record({ set: fc.nat(), to: fc.nat(255) }),
      fc.record({ cut: fc.nat() }),
      fc.record({ insert: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }) }),
      fc.record({ replace: fc.uint8Array({ maxLength: 80 }) }),
    );
    const damage = (bytes: Buffer, one: typeof change extends fc.Arbitrary<infer T> ? T : never): Buffer => {
      if ("replace" in one) return Buffer.from(one.replace);
      if ("cut" in one) return bytes.subarray(0, one.cut % bytes.length);
      if ("insert" in one) {
        const at = one.insert % bytes.length;
        return Buffer.concat([bytes.subarray(0, at), one.bytes, bytes.subarray(at)]);
      }
      const copy = Buffer.from(bytes);
      if ("set" in one) copy[one.set % copy.length] = one.to;
      else copy[one.flip % copy.length] = (copy[one.flip % copy.length] as number) ^ (1 << one.bit);
      return copy;
    };
    let damaged = 0;
    fc.assert(
      fc.property(fc.nat(3), fc.array(change, { minLength: 1, maxLength: 3 }), (index, changes) => {
        const decoder = new Decoder();
        for (const [at, message] of good.entries()) {
          const sent = at === index ? changes.reduce(damage, message) : message;
          const got = decoder.decode(sent);
          // A client ends the connection after "".
          if (got === "") {
            damaged++;
            return;
          }
          // A changed definition may define another number, or bytes that no message fits.
          if (got !== undefined) assert.equal(got, expected[at]);
          else assert.ok(at === 0 || sent[0] === 0, "an envelope was taken for a dictionary");
        }
      }),
      { numRuns: 5000 },
    );
    assert.ok(damaged > 3000, `${damaged} messages were recognized as damaged`);
  });
});

describe("client", () => {
  const sayBytes = (socket: FakeSocket, bytes: Buffer) => socket.onmessage?.({ data: arrayBuffer(bytes) });
  const welcome = (socket: FakeSocket, encoding: "compact" | "json" | undefined, offset = 10) => {
    socket.welcomeExtra = encoding === undefined ? {} : { encoding };
    socket.welcome(offset);
  };
  const start = async () => {
    const all = begin({ encoding: compact });
    const got: unknown[] = [];
    all.client.subscribe(["A.trade"], ({ seq, data }) => got.push([seq, data]));
    await all.line.pass(0);
    return { ...all, got };
  };

  test("asks for the encoding, reads its messages, and names its dictionaries when it comes back", async () => {
    const { line, got } = await start();
    assert.equal(line.socket.url, `${URL}?encoding=compact`);
    assert.equal(line.socket.binaryType, "arraybuffer");
    welcome(line.socket, "compact");
    await line.pass(0);
    line.socket.acknowledge(["A.trade"]);
    sayBytes(line.socket, definition(2, DICTIONARY));
    sayBytes(line.socket, encoded(1, 11, textOf("A.trade", 1), BASE));
    assert.deepEqual(got, [[1, { price: 1 }]]);
    line.socket.end(1006);
    await line.pass(1000);
    assert.equal(line.socket.url, `${URL}?encoding=compact&dictionaries=${idOf(DICTIONARY)}`);
    welcome(line.socket, "compact", 12);
    await line.pass(0);
    assert.deepEqual(line.socket.asked[0], {
      type: "subscribe",
      channels: ["A.trade"],
      since: { epoch: "e", offset: 11, ts: 1795253616675 },
    });
    line.socket.acknowledge(["A.trade"], { recovered: true, replayed: 1 });
    sayBytes(line.socket, definition(5, DICTIONARY, true));
    sayBytes(line.socket, encoded(1, 12, textOf("A.trade", 2), { ...BASE, number: 5 }));
    assert.deepEqual(got, [
      [1, { price: 1 }],
      [1, { price: 2 }],
    ]);
  });

  test("with a token, the parameters follow the token", async () => {
    const { line } = begin({ encoding: compact, token: "a.b.c" });
    await line.pass(0);
    assert.equal(line.socket.url, `${URL}?auth=a.b.c&encoding=compact`);
  });

  for (const encoding of [undefined, "json"] as const) {
    test(`reads JSON from a gateway that answers with the encoding ${encoding}, and does not ask again`, async () => {
      const { line, got } = await start();
      welcome(line.socket, encoding);
      await line.pass(0);
      line.socket.acknowledge(["A.trade"]);
      line.socket.publish("A.trade", 11);
      assert.deepEqual(got, [[1, 11]]);
      line.socket.end(1006);
      await line.pass(1000);
      assert.equal(line.socket.url, URL);
    });
  }

  test("a damaged message ends the connection, and the client resumes in JSON", async () => {
    const { line, client, got } = await start();
    welcome(line.socket, "compact");
    await line.pass(0);
    line.socket.acknowledge(["A.trade"]);
    sayBytes(line.socket, encoded(1, 11, textOf("A.trade", 1)));
    const damaged = encoded(2, 12, textOf("A.trade", 2));
    damaged[damaged.length - 5] = (damaged.at(-5) as number) ^ 1;
    const { socket } = line;
    sayBytes(socket, damaged);
    assert.deepEqual([client.status.state, client.status.reason], ["waiting", "not understood"]);
    assert.equal(socket.closed, true);
    sayBytes(socket, encoded(3, 13, textOf("A.trade", 3)));
    await line.pass(1000);
    assert.equal(line.socket.url, URL);
    welcome(line.socket, undefined, 13);
    await line.pass(0);
    line.socket.acknowledge(["A.trade"], { recovered: true, replayed: 2 });
    line.socket.publish("A.trade", 12);
    line.socket.publish("A.trade", 13);
    assert.deepEqual(got, [
      [1, { price: 1 }],
      [1, 12],
      [2, 13],
    ]);
  });

  test("a client that does not ask ends a connection with a binary message", async () => {
    const { line, client } = begin();
    await line.pass(0);
    line.socket.welcome();
    sayBytes(line.socket, encoded(1, 11, textOf("A.trade", 1)));
    assert.equal(client.status.reason, "not understood");
  });
});
