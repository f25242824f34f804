import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { FakeSocket, HIGH_WATER_MARK } from "./fake-socket.fixture.ts";

test("the fake socket behaves like Node's: its results, its held bytes and its drain", async (t) => {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection");
  const real = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(real, "connect");
  const [reader] = (await accepted) as [Socket];
  t.after(() => {
    real.destroy();
    reader.destroy();
    server.close();
  });
  const fake = new FakeSocket();
  const chunk = Buffer.alloc(HIGH_WATER_MARK / 4);
  assert.deepEqual([real.write(chunk), real.writableLength], [fake.write(chunk), fake.writableLength]);
  // Until the kernel's buffer is full.
  while (real.writableLength === 0) real.write(Buffer.alloc(65_536));
  fake.room = 0;
  const held = real.writableLength;
  fake.write(Buffer.alloc(held));
  for (let i = 0; i < 3; i++) {
    assert.equal(fake.write(chunk), real.write(chunk));
    assert.equal(fake.writableLength, real.writableLength);
    assert.equal(fake.writableNeedDrain, real.writableNeedDrain);
  }
  const drained: number[] = [];
  fake.once("drain", () => drained.push(fake.writableLength));
  fake.read(held);
  assert.equal(drained.length, 0);
  fake.read();
  real.once("drain", () => drained.push(real.writableLength));
  reader.resume();
  await once(real, "drain");
  assert.deepEqual(drained, [0, 0]);
  assert.deepEqual([fake.writableNeedDrain, real.writableNeedDrain], [false, false]);
});
