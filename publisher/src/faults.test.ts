import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { EventInput } from "./events.ts";
import { type NatsServer, type StoredMessage, startNats, withoutNats } from "./nats/nats-server.fixture.ts";
import { watch } from "./publisher.fixture.ts";
import type { Publisher } from "./publisher.ts";

const SUBJECTS = 20;
// The stream keeps every message until the test reads it.
const createStream = { maxAgeSeconds: 3_600, maxMessages: 1_000_000, maxBytes: 1_000_000_000 };

/** The nth event of a subject carries n. */
const eventOf = (count: number): EventInput => {
  const symbol = `T${count % SUBJECTS}`;
  const n = Math.floor(count / SUBJECTS);
  return { id: `${n}`, subject: `odin.token.${symbol}.test`, data: { n, symbol, side: "buy", price: 1.25 } };
};

/**
 * Publishes 10 events every 5 ms, about 2,000 a second, until stopped. Every event must be accepted and
 * stored.
 */
class Load {
  readonly #publisher: Publisher;
  readonly #promises: Promise<unknown>[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #marks = new Set<{ at: number; resolve: () => void }>();
  #stored = 0;

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
    this.#timer = setInterval(() => {
      for (let n = 0; n < 10; n++) this.#publish();
    }, 5);
  }

  get accepted(): number {
    return this.#promises.length;
  }

  #publish(): void {
    const stored = this.#publisher.publish(eventOf(this.#promises.length)).then(() => {
      this.#stored++;
      for (const mark of this.#marks) if (this.#stored >= mark.at) mark.resolve();
    });
    // stop() waits for this promise and reports a rejection.
    stored.catch(() => {});
    this.#promises.push(stored);
  }

  /** Resolves when this many more events have been stored. */
  async more(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const mark = { at: this.#stored + count, resolve };
    this.#marks.add(mark);
    await promise;
    this.#marks.delete(mark);
  }

  /** Ends the load. Resolves with the number of events when all of them are stored. */
  async stop(): Promise<number> {
    clearInterval(this.#timer);
    await Promise.all(this.#promises);
    return this.#promises.length;
  }
}

function load(test: { after(work: () => void): void }, publisher: Publisher): Load {
  const one = new Load(publisher);
  test.after(() => void one.stop().catch(() => {}));
  return one;
}

/** The numbers of each subject, in the order of the stream. */
function bySubject(stored: readonly StoredMessage[]): Map<string, number[]> {
  const map = new Map<string, number[]>();
  for (const { subject, body } of stored) {
    const { n } = JSON.parse(body) as { n: number };
    const list = map.get(subject);
    if (list === undefined) map.set(subject, [n]);
    else list.push(n);
  }
  return map;
}

/**
 * Each subject has the numbers 0, 1, 2, … without a gap or a repetition, and the stream has `total` events.
 */
async function assertAllOnceAndInOrder(nats: NatsServer, total: number): Promise<void> {
  const stored = await nats.read();
  for (const [subject, numbers] of bySubject(stored)) {
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index),
      `${subject} is not 0, 1, 2, …`,
    );
  }
  assert.equal(stored.length, total);
}

suite("faults of a real nats-server", { skip: withoutNats, concurrency: true, timeout: 120_000 }, () => {
  test("NATS is killed and restarted under load, several times: every accepted event is stored once and in order", async (t) => {
    const nats = await startNats(t);
    const watched = watch(t, {
      servers: nats.url,
      createStream,
      maxQueueEvents: 100_000,
      maxQueueBytes: 100_000_000,
    });
    const feed = load(t, watched.publisher);
    for (let round = 0; round < 4; round++) {
      await feed.more(700);
      const from = watched.statuses.length;
      await nats.kill();
      await watched.reported("disconnected", from);
      await nats.start();
      await watched.reported("connected", from);
    }
    await feed.more(100);
    const total = await feed.stop();
    assert.ok(watched.publisher.stats().sentAgain > 0, "no event was in flight when NATS was killed");
    await assertAllOnceAndInOrder(nats, total);
    await watched.publisher.close();
  });

  test("NATS is suspended: events without an acknowledgement are sent again and stored once", async (t) => {
    const nats = await startNats(t);
    const watched = watch(t, { servers: nats.url, createStream, ackTimeoutMs: 100 });
    const feed = load(t, watched.publisher);
    await feed.more(200);
    nats.signal("SIGSTOP");
    const { message } = await watched.reported("retrying");
    assert.match(message, /did not acknowledge events within 100 ms/);
    nats.signal("SIGCONT");
    await feed.more(200);
    const total = await feed.stop();
    assert.ok(watched.publisher.stats().sentAgain > 0);
    await assertAllOnceAndInOrder(nats, total);
  });

  test("the stream is deleted under load: it is created again, and each subject keeps its order", async (t) => {
    const nats = await startNats(t);
    const watched = watch(t, { servers: nats.url, createStream });
    const feed = load(t, watched.publisher);
    for (let round = 0; round < 3; round++) {
      await feed.more(300);
      await nats.visit((jsm) => jsm.streams.delete("ODIN_TOKENS"));
      await watched.reported("stream_created", watched.statuses.length);
    }
    await feed.more(300);
    const total = await feed.stop();
    // The messages of the deleted streams are gone. After them, no message is missing, repeated or out of
    // order.
    const numbers = bySubject(await nats.read());
    assert.equal(numbers.size, SUBJECTS);
    for (const [subject, list] of numbers) {
      const first = list[0] ?? 0;
      assert.deepEqual(
        list,
        list.map((_, index) => first + index),
        subject,
      );
    }
    const lasts = [...numbers.values()].map((list) => (list.at(-1) ?? 0) + 1);
    assert.equal(
      lasts.reduce((sum, last) => sum + last, 0),
      total,
    );
  });

  test("the stream is missing and may not be created: events wait until the stream exists", async (t) => {
    const nats = await startNats(t);
    const watched = watch(t, { servers: nats.url });
    const published = [0, 1, 2].map((n) => watched.publisher.publish(eventOf(n * SUBJECTS)));
    assert.match(
      (await watched.reported("retrying")).message,
      /wait for a gateway to create stream ODIN_TOKENS/,
    );
    await nats.visit((jsm) => jsm.streams.add({ name: "ODIN_TOKENS", subjects: ["odin.>"] }));
    assert.deepEqual(
      (await Promise.all(published)).map(({ offset }) => offset),
      [1, 2, 3],
    );
  });

  test("the account's plan does not allow the stream: the status says which settings to change, and events wait", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "odin-publisher-"));
    t.after(() => rm(folder, { recursive: true }));
    const config = join(folder, "nats.conf");
    const account = "jetstream { max_store: 10MB }, users: [{ user: a, password: a }]";
    await writeFile(config, `accounts { A { ${account} } }\nno_auth_user: a\n`);
    const nats = await startNats(t, ["-c", config]);
    const published: Promise<unknown>[] = [];
    for (const [createStream, advice] of [
      [{}, /insufficient storage .*Set JS_STREAM_MAX_BYTES \(now 52428800\) or JS_REPLICAS \(now 1\) to/],
      [{ replicas: 3, maxBytes: 1_048_576 }, /replicas > 1 not supported .*Set JS_REPLICAS \(now 3\) to/],
    ] as const) {
      const watched = watch(t, { servers: nats.url, createStream });
      published.push(watched.publisher.publish(eventOf(published.length)));
      const { message } = await watched.reported("retrying");
      assert.match(
        message,
        /^no stream takes the events, and ODIN_TOKENS can be neither found nor created: /,
      );
      assert.match(message, advice);
    }
    // The advice works, also for the events that wait.
    const { publisher } = watch(t, { servers: nats.url, createStream: { maxBytes: 1_048_576 } });
    published.push(publisher.publish(eventOf(published.length)));
    await Promise.all(published);
    await assertAllOnceAndInOrder(nats, 3);
  });

  test("a stream that does not capture the subject: the status names the subjects that it captures", async (t) => {
    const nats = await startNats(t);
    await nats.visit((jsm) => jsm.streams.add({ name: "ODIN_TOKENS", subjects: ["odin.global.>"] }));
    const watched = watch(t, { servers: nats.url, createStream });
    const published = watched.publisher.publish(eventOf(0));
    assert.match((await watched.reported("retrying")).message, /takes no event: it captures odin\.global\.>/);
    await nats.visit((jsm) => jsm.streams.update("ODIN_TOKENS", { subjects: ["odin.>"] }));
    await published;
  });

  test("a stream that is full and discards no message: events wait until there is room", async (t) => {
    const nats = await startNats(t);
    const config = { name: "ODIN_TOKENS", subjects: ["odin.>"], max_msgs: 2, discard: "new" as const };
    await nats.visit((jsm) => jsm.streams.add(config));
    const watched = watch(t, { servers: nats.url });
    const published = [0, 1, 2, 3].map((n) => watched.publisher.publish(eventOf(n * SUBJECTS)));
    assert.match(
      (await watched.reported("retrying")).message,
      /cannot take events now: maximum messages exceeded/,
    );
    await nats.visit((jsm) => jsm.streams.update("ODIN_TOKENS", { max_msgs: 10 }));
    await Promise.all(published);
    await assertAllOnceAndInOrder(nats, 4);
  });
});
