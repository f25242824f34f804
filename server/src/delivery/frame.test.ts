import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { WebSocket, WebSocketServer } from "ws";
import { deflateFrame, type FrameSocket, HEADROOM, SharedFrame, textFrame } from "./frame.ts";

/** While `holds`, keeps references to the written bytes, like a socket whose kernel buffer is full. */
class FakeSocket implements FrameSocket {
  holds = false;
  readonly written: Uint8Array[] = [];
  get writableLength(): number {
    return this.holds ? this.written.reduce((sum, bytes) => sum + bytes.length, 0) : 0;
  }
  write(bytes: Uint8Array): boolean {
    this.written.push(this.holds ? bytes : Buffer.from(bytes));
    return !this.holds;
  }
}

function frameOf(shared: string | Uint8Array): SharedFrame {
  const bytes = Buffer.from(shared);
  const buffer = Buffer.alloc(HEADROOM + bytes.length);
  bytes.copy(buffer, HEADROOM);
  return new SharedFrame(buffer);
}

/** Reads one server frame as RFC 6455 and RFC 7692 require. `windowBits`: LZ77 window of the client. */
function decode(bytes: Uint8Array, windowBits = 15): { text: string; deflated: boolean } {
  const frame = Buffer.from(bytes);
  const [first = 0, second = 0] = frame;
  assert.ok(first === 0x81 || first === 0xc1, `first byte ${first.toString(16)}`);
  assert.ok(second < 128, "a server does not mask");
  const start = second < 126 ? 2 : second === 126 ? 4 : 10;
  const length =
    second < 126 ? second : second === 126 ? frame.readUInt16BE(2) : Number(frame.readBigUInt64BE(2));
  assert.ok(second < 126 || length >= (second === 126 ? 126 : 65_536), "the shortest form of the length");
  assert.equal(frame.length, start + length);
  const payload = frame.subarray(start);
  if (first === 0x81) return { text: payload.toString(), deflated: false };
  const whole = Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]);
  return { text: inflateRawSync(whole, { windowBits, finishFlush: 2 }).toString(), deflated: true };
}

function sent(frame: SharedFrame, seq: number): Uint8Array {
  const socket = new FakeSocket();
  frame.writeTo(socket, seq);
  assert.equal(socket.written.length, 1, "one write for each envelope");
  assert.equal(socket.written[0]?.length, frame.bytes(seq));
  return socket.written[0] as Uint8Array;
}

const seqs = fc.oneof(
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(1, 9, 10, 99, 100, 99_999, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
);
// Lengths close to those at which the header changes its form, and close to the size of deflate's window.
const bodies = fc
  .tuple(
    fc.string({ unit: "binary", maxLength: 30 }),
    fc.constantFrom(0, 1, 10, 80, 95, 100, 105, 400, 2000, 65_490, 65_530, 70_000),
  )
  .map(
    ([text, length]) => `"data":${JSON.stringify(text.repeat(3) + "tick".repeat(length).slice(0, length))}}`,
  );

test("plain: the bytes of every envelope decode to exactly its text", () => {
  fc.assert(
    fc.property(bodies, fc.array(seqs, { minLength: 1, maxLength: 5 }), (body, list) => {
      const frame = frameOf(body);
      for (const seq of list) {
        assert.deepEqual(decode(sent(frame, seq)), { text: `{"seq":${seq},${body}`, deflated: false });
      }
      assert.equal(frame.shared.toString(), body);
    }),
    { numRuns: 60 },
  );
});

test("compressed: an independent inflater with the client's window gets the same text", () => {
  fc.assert(
    fc.property(
      bodies,
      fc.array(seqs, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 9, max: 15 }),
      (body, list, windowBits) => {
        const plain = frameOf(body);
        const frame = deflateFrame(plain, windowBits);
        if (frame === undefined) return;
        for (const seq of list) {
          const bytes = sent(frame, seq);
          assert.deepEqual(decode(bytes, windowBits), { text: `{"seq":${seq},${body}`, deflated: true });
          assert.ok(bytes.length < sent(plain, seq).length, "compressed is smaller");
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("with a small window, no reference goes further back than the window", () => {
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(900))).toString("base64");
  const body = `"data":"${noise}${"x".repeat(600)}${noise}"}`;
  const [narrow, wide] = [deflateFrame(frameOf(body), 9), deflateFrame(frameOf(body), 15)];
  assert.ok(narrow && wide);
  assert.ok(wide.size < narrow.size);
  assert.equal(decode(sent(narrow, 3), 9).text, `{"seq":3,${body}`);
});

test("compresses only when this makes the frame smaller", () => {
  assert.equal(deflateFrame(frameOf('"a":1}'), 15), undefined);
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(2000))).toString("latin1");
  assert.equal(deflateFrame(frameOf(Buffer.from(noise, "latin1")), 15), undefined);
  const trending = JSON.stringify(
    Array.from({ length: 100 }, (_, rank) => ({
      rank,
      token: `TOKEN${rank}`,
      price: rank * 1.37,
      volume: 1e6 / (rank + 1),
    })),
  );
  const plain = frameOf(`"data":${trending}}`);
  assert.ok((deflateFrame(plain, 15)?.size ?? 1e9) <= plain.size * 0.4);
});

test("later deliveries do not change bytes that a socket still holds", () => {
  for (const make of [frameOf, (body: string) => deflateFrame(frameOf(body), 15) as SharedFrame]) {
    const body = `"data":"${"tick ".repeat(50)}"}`;
    const frame = make(body);
    const slow = new FakeSocket();
    slow.holds = true;
    const order = [5, 70_000, 6, 7, 8_000_000_000];
    for (const seq of order) {
      frame.writeTo(slow, seq);
      assert.equal(decode(sent(frame, seq + 1)).text, `{"seq":${seq + 1},${body}`);
    }
    assert.deepEqual(
      slow.written.map((bytes) => decode(bytes).text),
      order.map((seq) => `{"seq":${seq},${body}`),
    );
  }
});

test("a control message is one text frame", () => {
  for (const text of [
    "",
    "{}",
    "猫".repeat(40),
    "x".repeat(125),
    "x".repeat(126),
    "x".repeat(65_535),
    "x".repeat(65_536),
  ]) {
    assert.deepEqual(decode(textFrame(text)), { text, deflated: false });
  }
});

/** A real ws client and the raw socket that serves it. */
async function connected(t: TestContext, deflate: boolean): Promise<{ client: WebSocket; socket: Socket }> {
  const http = createServer();
  const upgrader = new WebSocketServer({
    noServer: true,
    perMessageDeflate: deflate && { serverNoContextTakeover: true, clientNoContextTakeover: true },
  });
  http.on("upgrade", (request, socket, head) => upgrader.handleUpgrade(request, socket, head, () => {}));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const upgraded = once(http, "upgrade");
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  t.after(() => {
    client.terminate();
    http.close();
    http.closeAllConnections();
  });
  await once(client, "open");
  assert.equal(client.extensions.includes("permessage-deflate"), deflate);
  return { client, socket: (await upgraded)[1] as Socket };
}

for (const deflate of [false, true]) {
  test(`ws reads ${deflate ? "compressed" : "plain"} frames, mixed with control messages`, async (t) => {
    const { client, socket } = await connected(t, deflate);
    const lengths = [0, 60, 100, 130, 1000, 20_000, 66_000];
    const expected: string[] = [];
    const got: string[] = [];
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    client.on("error", reject);
    client.on("close", (code) => reject(new Error(`closed with ${code}`)));
    client.on("message", (data, isBinary) => {
      assert.equal(isBinary, false);
      if (got.push(data.toString()) === expected.length) resolve();
    });
    for (const [index, length] of lengths.entries()) {
      const body = `"data":"${"price ".repeat(length).slice(0, length)}"}`;
      const plain = frameOf(body);
      const frame = (deflate ? deflateFrame(plain, 15) : undefined) ?? plain;
      for (const seq of [index + 1, 10 ** index, 2 ** 53 - 1]) {
        frame.writeTo(socket, seq);
        expected.push(`{"seq":${seq},${body}`);
      }
      socket.write(textFrame(`control ${index}`));
      expected.push(`control ${index}`);
    }
    await done;
    assert.deepEqual(got, expected);
    client.removeAllListeners("close");
  });
}
