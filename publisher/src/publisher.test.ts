import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { GLOBAL_EVENTS, TOKEN_EVENTS } from "@odin-ws/protocol";
import {
  EventRefusedError,
  InvalidEventError,
  NotStoredError,
  PublisherClosedError,
  QueueFullError,
} from "./errors.ts";
import type { EventInput } from "./events.ts";
import { freePort, newNats, startNats, withoutNats } from "./nats/nats-server.fixture.ts";
import { watch } from "./publisher.fixture.ts";

const event = (n: number, symbol = "BTC"): EventInput => ({
  id: String(n),
  subject: `odin.token.${symbol}.test`,
  data: { n },
});
const bodiesOf = (stored: { body: string }[]): number[] =>
  stored.map(({ body }) => (JSON.parse(body) as { n: number }).n);

suite("against a real nats-server", { skip: withoutNats, concurrency: true, timeout: 120_000 }, () => {
  test("every kind of event is stored with its subject, headers and body", async (t) => {
    const nats = await startNats(t);
    const { publisher } = watch(t, { servers: nats.url, createStream: true });
    // The compiler checks the bodies of the kinds. Here all kinds have the same body.
    const data = { symbol: "BTC", text: "𝕏 ✓", list: [1, null, true] };
    const events = [
      ...TOKEN_EVENTS.map((kind) => ({ id: `id ${kind}`, event: kind, symbol: "BTC", data })),
      ...GLOBAL_EVENTS.map((kind) => ({ id: `id ${kind}`, event: kind, data })),
      { id: "1", subject: "odin.token.猫.airdrop", data, type: "airdrop:new", priority: "critical" },
    ] as unknown as EventInput[];
    const published = await Promise.all(events.map((one) => publisher.publish(one)));

    const stored = await nats.read();
    assert.deepEqual(
      stored.map(({ subject }) => subject).toSorted(),
      [
        ...TOKEN_EVENTS.map((kind) => `odin.token.BTC.${kind}`),
        ...GLOBAL_EVENTS.map((kind) => `odin.global.${kind}`),
        "odin.token.猫.airdrop",
      ].toSorted(),
    );
    assert.deepEqual(
      published.map(({ offset }) => offset),
      stored.map(({ seq }) => seq),
    );
    for (const { body } of stored) assert.equal(body, JSON.stringify(data));
    const headers = new Map(stored.map((one) => [one.subject, one.headers]));
    assert.deepEqual(headers.get("odin.token.BTC.trade"), { "Nats-Msg-Id": "BTC.trade:id trade" });
    assert.deepEqual(headers.get("odin.token.猫.airdrop"), {
      "Nats-Msg-Id": "猫.airdrop:1",
      "Odin-Type": "airdrop:new",
      "Odin-Priority": "critical",
    });
    await publisher.close();
  });

  test("an event that is published again is stored once and reported as a duplicate", async (t) => {
    const nats = await startNats(t);
    const { publisher } = watch(t, { servers: nats.url, createStream: true });
    const first = await publisher.publish(event(1));
    assert.deepEqual(first, { offset: 1, duplicate: false });
    assert.deepEqual(await publisher.publish(event(1)), { offset: 1, duplicate: true });
    // The same id on another channel is another event.
    assert.deepEqual(await publisher.publish(event(1, "ETH")), { offset: 2, duplicate: false });
    assert.equal((await nats.read()).length, 2);
    assert.equal(publisher.stats().duplicates, 1);
  });

  test("NATS is not running at the start: events are accepted up to the limit, and stored when NATS runs", async (t) => {
    const nats = await newNats(t);
    const watched = watch(t, { servers: nats.url, createStream: true, maxQueueEvents: 100 });
    const { publisher } = watched;
    const accepted = Array.from({ length: 100 }, (_, n) => publisher.publish(event(n, n % 2 ? "A" : "B")));
    const turnedAway = publisher.publish(event(100));
    assert.equal(publisher.stats().queuedEvents, 100, "publish() decides before it returns");
    await assert.rejects(turnedAway, (error) => {
      assert.ok(error instanceof QueueFullError);
      assert.equal(error.code, "queue_full");
      assert.deepEqual([error.queuedEvents, error.maxQueueEvents], [100, 100]);
      assert.match(
        error.message,
        /"100" \(odin\.token\.BTC\.test\) was not accepted.*100 of 100 events.*not connected/,
      );
      return true;
    });
    assert.match(
      (await watched.reported("disconnected")).message,
      /not connected to NATS at 127\.0\.0\.1:\d+: connection refused/,
    );
    await nats.start();
    await publisher.flush();
    const offsets = (await Promise.all(accepted)).map(({ offset }) => offset);
    assert.equal(new Set(offsets).size, 100);
    const stored = await nats.read();
    assert.equal(stored.length, 100);
    for (const odd of [0, 1]) {
      const order = bodiesOf(stored).filter((n) => n % 2 === odd);
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      );
    }
    const { accepted: taken, stored: kept, turnedAway: out, queuedEvents } = publisher.stats();
    assert.deepEqual({ taken, kept, out, queuedEvents }, { taken: 100, kept: 100, out: 1, queuedEvents: 0 });
  });

  test("the queue has a limit in bytes too, and accepts events again when some are stored", async (t) => {
    const nats = await newNats(t);
    const { publisher } = watch(t, { servers: nats.url, createStream: true, maxQueueBytes: 2_000 });
    const large = (n: number): EventInput => ({
      id: `${n}`,
      subject: "odin.global.test",
      data: { n, text: "x".repeat(700) },
    });
    const first = [publisher.publish(large(1)), publisher.publish(large(2))];
    await assert.rejects(publisher.publish(large(3)), /queue_full|of 2000 bytes/);
    const tooLarge = publisher.publish({ id: "4", subject: "odin.global.test", data: "x".repeat(2_000) });
    await assert.rejects(
      tooLarge,
      (error) => error instanceof InvalidEventError && /2002 bytes of JSON/.test(error.message),
    );
    await nats.start();
    await Promise.all(first);
    await publisher.publish(large(3));
    assert.deepEqual(bodiesOf(await nats.read()), [1, 2, 3]);
  });

  test("an invalid event is refused at once and not counted", async (t) => {
    const { publisher } = watch(t, { servers: `nats://127.0.0.1:${await freePort()}` });
    await assert.rejects(publisher.publish({ id: "1", subject: "BTC.trade", data: {} }), InvalidEventError);
    assert.equal(publisher.stats().accepted, 0);
    await publisher.flush();
  });

  test("events that NATS will never take are refused, and the events after them are stored", async (t) => {
    const config = join(tmpdir(), `odin-publisher-${process.pid}.conf`);
    await writeFile(
      config,
      `max_payload: 4096
       no_auth_user: admin
       authorization { users: [
         { user: admin, password: admin }
         { user: shop, password: "p w", permissions: { publish: { deny: "odin.token.SECRET.>" } } }
       ] }`,
    );
    t.after(() => rm(config));
    const nats = await startNats(t, ["-c", config]);
    await nats.visit((jsm) =>
      jsm.streams.add({ name: "ODIN_TOKENS", subjects: ["odin.>"], max_msg_size: 2_000 }),
    );
    const login = watch(t, { servers: nats.url.replace("//", "//shop:p%20w@") });
    const { publisher } = login;
    const text = (length: number) => "x".repeat(length);
    const of = (id: string, symbol: string, data: unknown) =>
      publisher.publish({ id, subject: `odin.token.${symbol}.test`, data });
    const before = assert.rejects(of("0", "BTC", text(5_000)), (error) => {
      return error instanceof EventRefusedError && /5002 bytes and headers/.test(error.message);
    });
    await login.reported("connected");
    const [denied, large, huge, fine, after] = await Promise.allSettled([
      of("1", "SECRET", {}),
      of("2", "BTC", text(3_000)),
      of("3", "BTC", text(5_000)),
      of("4", "BTC", { n: 4 }),
      of("5", "BTC", { n: 5 }),
    ]);
    const reasonOf = (result: PromiseSettledResult<unknown> | undefined) =>
      (result as PromiseRejectedResult).reason;
    await before;
    assert.ok(reasonOf(denied) instanceof EventRefusedError);
    assert.match(reasonOf(denied).message, /SECRET\.test:1.*Permissions Violation/i);
    assert.ok(reasonOf(large) instanceof EventRefusedError);
    assert.match(reasonOf(large).message, /message size exceeds maximum allowed/);
    assert.ok(
      reasonOf(huge) instanceof InvalidEventError,
      "the limit of the server is known after the connection",
    );
    assert.deepEqual([fine?.status, after?.status], ["fulfilled", "fulfilled"]);
    assert.deepEqual(bodiesOf(await nats.read()), [4, 5]);
    assert.equal(publisher.stats().refused, 3);

    const stranger = watch(t, { servers: nats.url.replace("//", "//shop:wrong@") });
    const { message } = await stranger.reported("disconnected");
    assert.match(message, /authorization violation/i);
    assert.doesNotMatch(message, /wrong/);

    const careful = watch(t, { servers: nats.url.replace("nats:", "tls:") });
    assert.match((await careful.reported("disconnected")).message, /does not support 'tls'/);
  });

  test("a stream with another name that captures the events is reported", async (t) => {
    const nats = await startNats(t);
    await nats.visit((jsm) => jsm.streams.add({ name: "OTHER", subjects: ["odin.>"] }));
    const watched = watch(t, { servers: nats.url, createStream: true });
    await watched.publisher.publish(event(1));
    assert.match((await watched.reported("problem")).message, /stream OTHER instead of ODIN_TOKENS/);
  });

  test("flush() waits for events that were accepted before the call, and not for later events", async (t) => {
    const nats = await startNats(t);
    const { publisher } = watch(t, { servers: nats.url, createStream: true });
    let storedBefore = 0;
    for (let n = 0; n < 50; n++) publisher.publish(event(n)).then(() => storedBefore++);
    const flushed = publisher.flush();
    let n = 50;
    let more = true;
    const later = (async () => {
      while (more) await Promise.all([publisher.publish(event(n++)), publisher.publish(event(n++, "ETH"))]);
    })();
    await flushed;
    assert.equal(storedBefore, 50);
    more = false;
    await later;
  });

  test("close() stores the accepted events and accepts no more", async (t) => {
    const nats = await startNats(t);
    const { publisher } = watch(t, { servers: nats.url, createStream: true });
    const accepted = Array.from({ length: 500 }, (_, n) => publisher.publish(event(n, `T${n % 7}`)));
    const closed = publisher.close();
    await assert.rejects(publisher.publish(event(500)), PublisherClosedError);
    await closed;
    await Promise.all(accepted);
    assert.equal((await nats.read()).length, 500);
    assert.equal(publisher.close(), closed);
  });

  test("close() with Infinity waits until everything is stored", async (t) => {
    const nats = await startNats(t);
    const { publisher } = watch(t, { servers: nats.url, createStream: true });
    const accepted = [1, 2, 3].map((n) => publisher.publish(event(n)));
    await publisher.close({ timeoutMs: Number.POSITIVE_INFINITY });
    await Promise.all(accepted);
    assert.equal((await nats.read()).length, 3);
  });

  test("close() has a time limit and says how many events are not known to be stored", async (t) => {
    const { publisher } = watch(t, { servers: `nats://127.0.0.1:${await freePort()}` });
    const given = Promise.allSettled([1, 2, 3].map((n) => publisher.publish(event(n))));
    const flushed = publisher.flush();
    await assert.rejects(publisher.close({ timeoutMs: 50 }), (error) => {
      assert.ok(error instanceof NotStoredError);
      assert.deepEqual([error.notStored, error.unanswered, error.code], [3, 0, "not_stored"]);
      assert.match(error.message, /50 ms: 3 accepted events.*not connected/);
      return true;
    });
    for (const result of await given) {
      assert.equal(result.status, "rejected");
      assert.ok(result.status === "rejected" && result.reason instanceof PublisherClosedError);
    }
    await flushed;
    assert.equal(publisher.stats().queuedEvents, 0);
  });
});
