/**
 * The stream went back: nats-server lost messages that it had acknowledged, and gives their sequences to new
 * messages.
 */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { fallback } from "@odin-ws/client/fallback";
import { startProxy } from "../client/fault-proxy.ts";
import { startHttpProxy } from "../client/http-proxy.ts";
import { startWitness } from "../client/witness.ts";
import { connect, type TestClient } from "../harness/client.ts";
import { type Env, type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, type NatsSetup, STREAM, startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";

const BACK_MS = 15_000; // 15 s
const CHANNEL = "BACK.trade";
const SUBJECT = "odin.token.BACK.trade";

/** Bodies that no two calls share: `n` counts over the whole process. */
let n = 0;
const bodies = (count: number) => Array.from({ length: count }, () => ({ n: n++ }));
const numbersOf = (client: TestClient) => client.envelopes.map(({ data }) => (data as { n: number }).n);

/**
 * Publishes `kept` messages, copies the store, publishes `lost` messages and waits until the clients have
 * all.
 */
async function publishKeptAndLost(
  nats: Nats,
  clients: TestClient[],
  kept: number,
  lost: number,
): Promise<void> {
  await nats.publishAll(SUBJECT, bodies(kept));
  await Promise.all(clients.map((client) => client.receive(kept)));
  // The server writes messages in the background.
  await eventually("the messages on disk", async () => {
    await nats.copyStore();
    return true;
  });
  await nats.publishAll(SUBJECT, bodies(lost));
  await Promise.all(clients.map((client) => client.receive(kept + lost)));
}

/**
 * Ends the server as `kill -9` does, starts it with the copied store, and at once publishes more than was
 * lost.
 */
async function restartOlder(nats: Nats, more: number): Promise<{ last: number; numbers: number[] }> {
  await nats.kill();
  await nats.goBack();
  await nats.start();
  const { state } = await nats.jsm.streams.info(STREAM);
  const data = bodies(more);
  await nats.publishAll(SUBJECT, data);
  return { last: state.last_seq, numbers: data.map((one) => one.n) };
}

async function setUp(t: Owner, count: number, setup: NatsSetup = {}, env: Env = {}) {
  const nats = await startNats(t, setup);
  const gateways: Gateway[] = [];
  for (let i = 0; i < count; i++) gateways.push(await startGateway(t, { nats, env }));
  const clients: TestClient[] = [];
  for (const gateway of gateways) {
    const client = await connect(t, gateway);
    await client.subscribe([CHANNEL]);
    clients.push(client);
  }
  return { nats, gateways, clients };
}

/** Epoch that a gateway has now; it must not be the one of the client's welcome. */
async function newEpochOf(gateway: Gateway, client: TestClient): Promise<string> {
  return eventually("a new epoch", async () => {
    const { epoch } = await gateway.stats();
    return epoch !== client.welcome.epoch && epoch;
  });
}

const LOGIN = { user: "gateway", pass: "secret" };
const ADMIN = { user: "admin", pass: "secret" };
/** What gateways may do on the servers of this project, without an update of the stream. */
const WITHOUT_UPDATE = `authorization { users: [
  { user: admin, password: secret }
  { user: gateway, password: secret, permissions: {
    publish: ["$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.CONSUMER.>", "$JS.ACK.>"]
    subscribe: ["_INBOX.>"]
  } }
] }`;

describe("a stream that went back", { skip: withoutNats(), concurrency: true }, () => {
  test("clients get each message that the server has stored since, once, and all gateways agree on a new epoch", async (t) => {
    const { nats, gateways, clients } = await setUp(t, 2);
    await publishKeptAndLost(nats, clients, 300, 100);
    const { last, numbers } = await restartOlder(nats, 250);
    assert.equal(last, 300, "the server has lost 100 messages");
    await Promise.all(clients.map((client) => client.receive(400 + 250, BACK_MS)));
    for (const client of clients) assert.deepEqual(numbersOf(client).slice(400), numbers);
    const [first, second] = gateways as [Gateway, Gateway];
    const epoch = await newEpochOf(first, clients[0] as TestClient);
    assert.equal(await newEpochOf(second, clients[1] as TestClient), epoch);
    for (const client of clients) {
      const notice = client.messages.find((one) => "type" in one && one.type === "throttle_update");
      assert.deepEqual(notice && "since" in notice && notice.since, { epoch, offset: 300 });
    }
    // A gateway that starts afterwards has the epoch from the stream's metadata.
    const third = await startGateway(t, { nats });
    assert.equal((await third.stats()).epoch, epoch);
    // A client can resume on each gateway, but not from a position from before the loss.
    for (const gateway of [first, second, third]) {
      const resumed = await connect(t, gateway);
      const ack = await resumed.subscribe([CHANNEL], { epoch, offset: 540 });
      assert.deepEqual([ack.recovered, ack.replayed], [true, 10]);
      const old = await connect(t, gateway);
      const { epoch: former } = (clients[0] as TestClient).welcome;
      assert.equal((await old.subscribe([CHANNEL], { epoch: former, offset: 400 })).recovered, false);
    }
    await first.health(200);
  });

  test("the same when fewer messages follow than were lost, three times in a row", async (t) => {
    const { nats, gateways, clients } = await setUp(t, 2);
    const epochs = new Set(clients.map(({ welcome }) => welcome.epoch));
    for (let round = 1; round <= 3; round++) {
      const before = clients.map((client) => client.envelopes.length);
      await nats.publishAll(SUBJECT, bodies(20));
      await Promise.all(clients.map((client, i) => client.receive((before[i] ?? 0) + 20, BACK_MS)));
      await nats.copyStore();
      await nats.publishAll(SUBJECT, bodies(10));
      await Promise.all(clients.map((client, i) => client.receive((before[i] ?? 0) + 30, BACK_MS)));
      const { numbers } = await restartOlder(nats, 5);
      await Promise.all(clients.map((client, i) => client.receive((before[i] ?? 0) + 35, BACK_MS)));
      for (const client of clients) assert.deepEqual(numbersOf(client).slice(-5), numbers);
      const epoch = await eventually("one new epoch", async () => {
        const [a, b] = await Promise.all(gateways.map((gateway) => gateway.stats()));
        return a?.epoch === b?.epoch && !epochs.has(a?.epoch ?? "") && a?.epoch;
      });
      epochs.add(epoch);
    }
    assert.equal(epochs.size, 4);
  });

  test("gateways that may not update the stream agree, too, and log the refusal", async (t) => {
    const setup = { config: WITHOUT_UPDATE, login: ADMIN };
    const nats = await startNats(t, setup);
    const env = { NATS_URL: nats.url.replace("//", `//${LOGIN.user}:${LOGIN.pass}@`) };
    const gateways = [await startGateway(t, { env }), await startGateway(t, { env })];
    const clients = await Promise.all(gateways.map((gateway) => connect(t, gateway)));
    for (const client of clients) await client.subscribe([CHANNEL]);
    await publishKeptAndLost(nats, clients, 50, 20);
    const { numbers } = await restartOlder(nats, 60);
    await Promise.all(clients.map((client) => client.receive(70 + 60, BACK_MS)));
    for (const client of clients) assert.deepEqual(numbersOf(client).slice(70), numbers);
    const epochs = await Promise.all(gateways.map((one, i) => newEpochOf(one, clients[i] as TestClient)));
    assert.equal(epochs[0], epochs[1]);
    for (const gateway of gateways) {
      await eventually("a line about the refusal", () =>
        /cannot write the new epoch into the metadata/.test(gateway.process.output),
      );
      await gateway.health(200);
    }
  });

  for (const workers of ["1", "2"]) {
    test(`no gateway is left that had read the lost messages: an old client gets all new messages, with ${workers} processes`, async (t) => {
      const { nats, gateways, clients } = await setUp(t, 1);
      const [client] = clients as [TestClient];
      await publishKeptAndLost(nats, clients, 50, 20);
      const { epoch, offset } = client.position;
      const last = client.envelopes.at(-1);
      const [gateway] = gateways as [Gateway];
      const proxy = await startProxy(t, gateway.wsPort);
      const witness = startWitness(t, proxy.url);
      const book = await witness.listen(CHANNEL);
      await nats.publishAll(SUBJECT, bodies(5)); // lost, too
      await eventually("the library's messages", () => book.got.length === 5);
      await gateway.stop("SIGKILL");
      await restartOlder(nats, 0);
      const fresh = await startGateway(t, { nats, env: { WS_WORKER_POOL_SIZE: workers } });
      proxy.target = fresh.wsPort;
      await eventually("a refetch of the library", () => witness.refetches.length > 0, BACK_MS);
      const ahead = await connect(t, fresh);
      assert.equal(ahead.welcome.epoch, epoch, "nobody has noticed that the stream went back");
      const answers = await Promise.all([
        ahead.subscribe([CHANNEL], { epoch, offset }),
        ahead.ask({ type: "heartbeat" }, "heartbeat_ack"),
      ]);
      assert.equal(answers[0].recovered, false, "the client is ahead of the stream");
      const data = bodies(30);
      await nats.publishAll(SUBJECT, data);
      await ahead.receive(30);
      assert.deepEqual(
        numbersOf(ahead),
        data.map((one) => one.n),
      );
      await eventually("the new messages for the library", () => book.got.length === 35);
      assert.deepEqual(
        book.got.slice(5).map((one) => (one.data as { n: number }).n),
        data.map((one) => one.n),
      );
      // The stream has grown past the client. Only the time of the client's last message shows the
      // difference.
      const other = await connect(t, fresh);
      const since = { epoch, offset, ts: last?.ts };
      assert.equal(
        (await other.ask({ type: "subscribe", channels: [CHANNEL], since }, "subscription_ack")).recovered,
        false,
      );
      const same = await connect(t, fresh);
      const { ts } = ahead.envelopes.find((one) => one.offset === offset) ?? {};
      const ack = await same.ask(
        { type: "subscribe", channels: [CHANNEL], since: { epoch, offset, ts } },
        "subscription_ack",
      );
      assert.deepEqual([ack.recovered, ack.replayed], [true, 10]);
    });
  }

  for (const stream of [true, false]) {
    test(`the same for a client over HTTP, ${stream ? "with server-sent events" : "with polls alone"}`, async (t) => {
      const { nats, gateways, clients } = await setUp(t, 1);
      const [gateway] = gateways as [Gateway];
      await publishKeptAndLost(nats, clients, 50, 20);
      const target = { wsPort: gateway.wsPort };
      const proxy = await startHttpProxy(t, target);
      const witness = startWitness(t, proxy.url, { fallback: fallback({ pollMs: 200, stream }) });
      const book = await witness.listen(CHANNEL);
      await nats.publishAll(SUBJECT, bodies(5)); // lost, too
      await eventually("the library's messages", () => book.got.length === 5);
      await gateway.stop("SIGKILL");
      await restartOlder(nats, 0);
      target.wsPort = (await startGateway(t, { nats })).wsPort;
      await eventually("a refetch of the library", () => witness.refetches.length > 0, BACK_MS);
      const data = bodies(30);
      await nats.publishAll(SUBJECT, data);
      await eventually("the new messages for the library", () => book.got.length === 35);
      assert.deepEqual(
        book.got.slice(5).map((one) => (one.data as { n: number }).n),
        data.map((one) => one.n),
      );
    });
  }

  test("the stream has grown past the position of the library: the library reports the loss", async (t) => {
    const { nats, gateways, clients } = await setUp(t, 1);
    const [gateway] = gateways as [Gateway];
    const proxy = await startProxy(t, gateway.wsPort);
    const witness = startWitness(t, proxy.url);
    const book = await witness.listen(CHANNEL);
    await publishKeptAndLost(nats, clients, 50, 20);
    await eventually("the library's messages", () => book.got.length === 70);
    // Number of messages that the application had at each refetch.
    const before: number[] = [];
    witness.client.on("refetch", () => before.push(book.got.length));
    proxy.target = 1; // nothing listens there
    await gateway.stop("SIGKILL");
    // Sequences 51 to 110: the library has other messages with the sequences 51 to 70.
    const { numbers } = await restartOlder(nats, 60);
    const fresh = await startGateway(t, { nats });
    proxy.target = fresh.wsPort;
    await eventually("a refetch of the library", () => before.length > 0, BACK_MS);
    const [newest] = bodies(1);
    await nats.publish(SUBJECT, newest);
    await eventually("the messages after the loss", () => book.got.at(-1)?.offset === 111, BACK_MS);
    assert.deepEqual(before, [70], "the refetch comes before the first message after the loss");
    const got = book.got.slice(70).map((one) => (one.data as { n: number }).n);
    assert.deepEqual(got, [...numbers, newest?.n].slice(-got.length), "in order, without a gap");
  });

  test("a gateway that had not read what was lost takes the epoch of the others", async (t) => {
    const { nats, gateways, clients } = await setUp(t, 1);
    const behind = await startGateway(t, { nats, env: { WS_MAX_NATS_RATE: "20" } });
    await publishKeptAndLost(nats, clients, 200, 50);
    assert.ok((await behind.stats()).offset < 200, "the second gateway reads only 20 messages a second");
    await restartOlder(nats, 60);
    const [first] = gateways as [Gateway];
    const epoch = await newEpochOf(first, clients[0] as TestClient);
    await eventually("the same epoch", async () => (await behind.stats()).epoch === epoch, BACK_MS);
  });
});
