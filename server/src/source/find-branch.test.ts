import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { findBranch } from "./find-branch.ts";
import { ReadMessages, type StoredMessage } from "./read-messages.ts";

/** A stream as NATS keeps it: messages with rising sequences, with holes. */
class FakeStream {
  messages: StoredMessage[] = [];
  first = 1;
  last = 0;
  requests = 0;

  store(storedAt: number): StoredMessage {
    const message = { seq: ++this.last, storedAt };
    this.messages.push(message);
    return message;
  }
  remove(wanted: (message: StoredMessage) => boolean): void {
    this.messages = this.messages.filter((message) => !wanted(message));
    this.first = this.messages[0]?.seq ?? this.last + 1;
  }
  /** Loses everything after this sequence. */
  goBackTo(seq: number): void {
    this.messages = this.messages.filter((message) => message.seq <= seq);
    this.last = seq;
    this.first = Math.min(this.first, seq + 1);
  }
  readonly firstFrom = async (seq: number): Promise<StoredMessage | undefined> => {
    this.requests++;
    return this.messages.find((message) => message.seq >= seq);
  };
}

function readAll(stream: FakeStream): { read: ReadMessages; cursor: number } {
  const read = new ReadMessages();
  for (const message of stream.messages) read.add(message);
  return { read, cursor: stream.last };
}

const find = (stream: FakeStream, { read, cursor }: { read: ReadMessages; cursor: number }) =>
  findBranch({ read, cursor, first: stream.first, last: stream.last, firstFrom: stream.firstFrom });

test("a stream that continues what was read is recognized with one request", async () => {
  const stream = new FakeStream();
  for (let time = 1; time <= 100; time++) stream.store(time);
  const reader = readAll(stream);
  for (let time = 101; time <= 200; time++) stream.store(time);
  assert.equal(await find(stream, reader), undefined);
  assert.equal(stream.requests, 1);
});

test("the last common message of 100,000 is found with few requests", async () => {
  const stream = new FakeStream();
  for (let time = 1; time <= 100_000; time++) stream.store(time);
  const reader = readAll(stream);
  stream.goBackTo(77_777);
  for (let time = 200_000; time < 250_000; time++) stream.store(time);
  assert.deepEqual(await find(stream, reader), { seq: 77_777, storedAt: 77_777 });
  assert.ok(stream.requests < 25, `${stream.requests} requests`);
});

test("for any holes, a stream is found to have gone back when it has, and only then", async () => {
  const hole = fc.record({ every: fc.integer({ min: 2, max: 5 }), rest: fc.nat(4), from: fc.nat(40) });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.option(fc.nat(40), { nil: undefined }),
      fc.nat(60),
      fc.array(hole, { maxLength: 3 }),
      fc.array(hole, { maxLength: 3 }),
      async (count, back, more, earlier, later) => {
        const stream = new FakeStream();
        const dig = (holes: typeof earlier) => {
          for (const { every, rest, from } of holes) {
            stream.remove(({ seq }) => seq >= from && seq % every === rest);
          }
        };
        for (let n = 0; n < count; n++) stream.store(stream.last + 1);
        dig(earlier);
        const reader = readAll(stream);
        const before = [...stream.messages];
        const goesBack = back !== undefined && back < count;
        if (goesBack) stream.goBackTo(back);
        for (let n = 0; n < more; n++) stream.store(1000 + n);
        dig(later);
        const found = await find(stream, reader);
        // What can be known: a message up to the cursor that was not read, or an end before the cursor.
        const common = stream.messages.filter((one) =>
          before.some(({ seq, storedAt }) => seq === one.seq && storedAt === one.storedAt),
        );
        const other = stream.messages.some((one) => one.seq <= reader.cursor && !common.includes(one));
        const knowable = before.length > 0 && (other || stream.last < reader.cursor);
        if (before.length === 0) {
          assert.deepEqual(found, stream.last < reader.cursor ? { seq: 0, storedAt: 0 } : undefined);
        } else if (knowable) {
          assert.ok(goesBack);
          assert.deepEqual(found, common.at(-1) ?? { seq: 0, storedAt: 0 });
        } else assert.equal(found, undefined);
      },
    ),
    { numRuns: 300 },
  );
});

test("only the last messages are remembered", () => {
  const read = new ReadMessages(4);
  for (let seq = 1; seq <= 10; seq++) read.add({ seq, storedAt: seq });
  assert.deepEqual([read.firstSeq, read.countFrom(0), read.countFrom(9)], [7, 4, 2]);
  assert.deepEqual([read.has({ seq: 6, storedAt: 6 }), read.has({ seq: 7, storedAt: 7 })], [false, true]);
  read.removeAbove(8);
  read.add({ seq: 20, storedAt: 1 });
  assert.deepEqual([read.has({ seq: 9, storedAt: 9 }), read.has({ seq: 20, storedAt: 1 })], [false, true]);
  assert.equal(read.countFrom(8), 2);
  read.clear();
  assert.equal(read.firstSeq, 0);
});
