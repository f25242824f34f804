/** Several worker processes on one VM behave as one gateway. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, Refused, type TestClient } from "../harness/client.ts";
import { assertComplete, startFeed } from "../harness/feed.ts";
import { type Env, type Gateway, startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { Reader } from "../harness/reader.ts";
import { issue } from "../harness/tokens.ts";
import { eventually, LATER_SIGNAL_MS, pause, within } from "../harness/wait.ts";

const SECRET = "a secret of at least thirty-two bytes, as HS256 wants it";

async function setUp(t: Owner, env: Env = {}) {
  const nats = await startNats(t);
  const gateway = await startGateway(t, { nats, env: { WS_WORKER_POOL_SIZE: "2", ...env } });
  return { nats, gateway };
}

const crowd = (t: Owner, gateway: Gateway, count: number): Promise<TestClient[]> =>
  Promise.all(Array.from({ length: count }, () => connect(t, gateway)));

// The processes of the gateway other than the first.
const workers = (gateway: Gateway) =>
  gateway.process.processes().filter(({ pid }) => pid !== gateway.process.pid);

describe("two workers", { skip: withoutNats(), concurrency: 3 }, () => {
  test("both workers serve clients, and the numbers are those of the whole gateway", async (t) => {
    const { nats, gateway } = await setUp(t);
    assert.equal(workers(gateway).length, 2);
    const before = await gateway.metrics();
    const clients = await crowd(t, gateway, 20);
    assert.equal(new Set(clients.map(({ welcome }) => welcome.connection)).size, 20);
    assert.equal(new Set(clients.map(({ welcome }) => `${welcome.instance} ${welcome.epoch}`)).size, 1);
    for (const client of clients) await client.subscribe(["ALL.trade", "ALL.update"]);
    for (let n = 0; n < 10; n++) await nats.publish("odin.token.ALL.trade", { n });
    await Promise.all(clients.map((client) => client.receive(10)));
    // The workers report their numbers to the first process by messages, which arrive a moment later.
    await eventually("numbers of the whole", async () => {
      const stats = await gateway.stats();
      return stats.connections === 20 && stats.subscriptions === 40 && stats.deliveries === 200;
    });
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum("ws_connections_current"), 20);
    assert.equal(metrics.sum("ws_connections_total"), 20);
    assert.equal(metrics.sum("ws_messages_sent_total", { event: "trade" }), 200);
    assert.equal(metrics.sum("ws_messages_received_total", { type: "subscribe" }), 20);
    assert.equal(
      metrics.sum("ws_nats_connected"),
      1,
      "the value is that of the VM, not a sum over the workers",
    );
    assert.equal(metrics.series("ws_connections_current").length, 1);
    assert.deepEqual([...metrics.types.keys()].toSorted(), [...before.types.keys()].toSorted());
    const stats = await gateway.stats();
    assert.equal(stats.messages_in, 10, "each message must be counted once, although each worker reads it");
    await eventually("memory of all processes", async () => (await gateway.stats()).rss_bytes > 100e6);
    // Each worker serves about half of the clients, so that only some clients lose their connection.
    const [worker] = workers(gateway);
    assert.ok(worker);
    process.kill(worker.pid, "SIGKILL");
    await eventually("closes", () => clients.some(({ closedWith }) => closedWith !== undefined));
    await eventually("the numbers of the remaining clients", async () => {
      const { connections } = await gateway.stats();
      return (
        connections === clients.filter(({ closedWith }) => closedWith === undefined).length &&
        connections < 20
      );
    });
    const left = clients.filter(({ closedWith }) => closedWith === undefined);
    assert.ok(left.length >= 4 && left.length <= 16, `${left.length} of 20 clients were on the other worker`);
    for (const client of left) await client.ask({ type: "heartbeat" }, "heartbeat_ack");
  });

  test("the limit per user applies across workers, also to simultaneous connections", async (t) => {
    const { gateway } = await setUp(t, { AUTH_MODE: "jwt", JWT_SECRET: SECRET });
    const token = await issue(SECRET, { sub: "everywhere" });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 12 }, () => connect(t, gateway, { token })),
    );
    const clients = outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const refused = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    assert.equal(clients.length, 3);
    for (const reason of refused)
      assert.ok(reason instanceof Refused && reason.answer.status === 429, `${reason}`);
    await clients[0]?.close();
    await eventually("a free place", () => connect(t, gateway, { token }));
    // When a worker is killed, the other processes must forget its users' connections.
    for (const { pid } of workers(gateway)) process.kill(pid, "SIGKILL");
    await Promise.all(clients.map((client) => client.closed));
    for (let n = 0; n < 3; n++) await eventually("a free place", () => connect(t, gateway, { token }));
    await assert.rejects(connect(t, gateway, { token }), /refused with 429/);
  });

  test("the limit of connections applies to the whole VM", async (t) => {
    const { gateway } = await setUp(t, { WS_MAX_CONNECTIONS: "10" });
    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => connect(t, gateway)));
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 10);
    await gateway.health(503);
  });

  test("when a worker is killed, the gateway replaces it and its clients resume without a loss", async (t) => {
    const { nats, gateway } = await setUp(t);
    const channels = ["WORK1.trade", "WORK2.update", "WORK3.social"];
    const readers = Array.from({ length: 12 }, () => new Reader(t, channels));
    const over = new AbortController();
    await Promise.all(readers.map((reader) => reader.attach(gateway)));
    const attached = Promise.all(readers.map((reader) => reader.keepAttached(gateway, over.signal)));
    // The test awaits this promise at its end. Until then, an unhandled rejection must not end the test's
    // process.
    attached.catch(() => {});
    const feed = startFeed(t, nats, channels, 2);
    const before = workers(gateway).map(({ pid }) => pid);
    for (const pid of before) {
      const resumes = readers.reduce((sum, reader) => sum + reader.resumes, 0);
      const published = feed.count;
      await eventually("traffic", () => feed.count > published + 100);
      process.kill(pid, "SIGKILL");
      await eventually("resumes", () => readers.reduce((sum, reader) => sum + reader.resumes, 0) > resumes);
      await eventually("a replacement", () => {
        const now = workers(gateway);
        return now.length === 2 && now.every((worker) => worker.pid !== pid);
      });
      await gateway.health(200);
    }
    const count = feed.count;
    await eventually("traffic", () => feed.count > count + 100);
    const published = await feed.stop();
    const last = published.at(-1)?.offset ?? 0;
    for (const reader of readers) {
      await eventually(`offset ${last}`, () => reader.envelopes.at(-1)?.offset === last);
      assertComplete(reader.envelopes, published);
    }
    over.abort();
    await within("readers", attached);
  });

  test("a connection that is handed to a dying worker is cut and does not hang", async (t) => {
    const { gateway } = await setUp(t);
    for (let round = 0; round < 3; round++) {
      const [worker] = workers(gateway);
      assert.ok(worker);
      const attempts: Promise<unknown>[] = [];
      const storm = setInterval(() => {
        for (let n = 0; n < 3; n++) {
          const attempt = connect(t, gateway).then((client) => client.drop());
          // A client can handle a refusal, a reset and a success, but not a missing answer.
          attempts.push(attempt.catch((error) => assert.doesNotMatch(String(error), /not within/)));
        }
      }, 2);
      t.after(() => clearInterval(storm));
      await eventually("a storm", () => attempts.length > 100);
      process.kill(worker.pid, "SIGKILL");
      await eventually("a replacement", () => {
        const now = workers(gateway);
        return now.length === 2 && now.every(({ pid }) => pid !== worker.pid);
      });
      clearInterval(storm);
      await Promise.all(attempts);
    }
    await gateway.health(200);
  });

  test("when another stream replaces the old one, the clients of both workers get its messages", async (t) => {
    const { nats, gateway } = await setUp(t);
    const clients = await crowd(t, gateway, 8);
    for (const client of clients) await client.subscribe(["NEW.trade"]);
    await nats.publishAll("odin.token.NEW.trade", [1, 2, 3]);
    await Promise.all(clients.map((client) => client.receive(3)));
    await nats.recreateStream();
    await nats.publish("odin.token.NEW.trade", 4);
    await Promise.all(clients.map((client) => client.receive(4, 20_000)));
    const { epoch } = await gateway.stats();
    for (const client of clients) {
      assert.equal(client.envelopes[3]?.offset, 1);
      const update = await client.control("throttle_update");
      assert.equal(update.since.epoch, epoch);
      assert.notEqual(epoch, client.welcome.epoch);
    }
  });

  test("SIGTERM drains all workers and leaves no process", async (t) => {
    const { gateway } = await setUp(t, { WS_DRAIN_SECONDS: "2" });
    const clients = await crowd(t, gateway, 20);
    gateway.process.signal("SIGTERM");
    await gateway.health(503, 2000);
    const closed = await within("all closed", Promise.all(clients.map((client) => client.closed)));
    assert.ok(
      closed.every(({ code }) => code === 1012),
      `${closed.map(({ code }) => code)}`,
    );
    for (const client of clients) await client.control("reconnect");
    assert.deepEqual(await within("exit", gateway.process.exited), { code: 0, signal: null });
    await gateway.noProcessLeft();
  });

  test("a signal to the whole process group, as a terminal sends it, drains the gateway once", async (t) => {
    const { gateway } = await setUp(t, { WS_DRAIN_SECONDS: "2" });
    const clients = await crowd(t, gateway, 10);
    process.kill(-gateway.process.pid, "SIGINT");
    const closed = await within("all closed", Promise.all(clients.map((client) => client.closed)));
    assert.ok(
      closed.every(({ code }) => code === 1012),
      `${closed.map(({ code }) => code)}`,
    );
    assert.deepEqual(await within("exit", gateway.process.exited), { code: 0, signal: null });
    await gateway.noProcessLeft();
  });

  test("a second SIGTERM ends all processes at once, and so does SIGKILL of the first process", async (t) => {
    const { gateway } = await setUp(t, { WS_DRAIN_SECONDS: "120" });
    await crowd(t, gateway, 10);
    gateway.process.signal("SIGTERM");
    await gateway.health(503, 5000);
    await pause(LATER_SIGNAL_MS);
    gateway.process.signal("SIGTERM");
    await within("exit", gateway.process.exited);
    await gateway.noProcessLeft();
    const other = (await setUp(t)).gateway;
    const clients = await crowd(t, other, 10);
    other.process.signal("SIGKILL");
    await within("all closed", Promise.all(clients.map((client) => client.closed)));
    await other.noProcessLeft();
  });
});
