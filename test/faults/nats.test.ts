/** NATS stops, restarts, restarts with an empty store, or is not there when the gateway starts. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, type TestClient } from "../harness/client.ts";
import { assertComplete, startFeed } from "../harness/feed.ts";
import { startGateway } from "../harness/gateway.ts";
import { STREAM, startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually, pause } from "../harness/wait.ts";

/** Deadline for recovery. The promise is 5 s; a machine that runs all tests at once needs more. */
const RECOVERY_MS = 10_000; // 10 s

const offsets = (client: TestClient) => client.envelopes.map(({ offset }) => offset);

async function setUp(t: Owner, channels: string[]) {
  const nats = await startNats(t);
  const gateway = await startGateway(t, { nats });
  const client = await connect(t, gateway);
  await client.subscribe(channels);
  return { nats, gateway, client };
}

// Waits until a throttle_update reports a new epoch to the client, and returns that epoch.
async function newEpoch(client: TestClient): Promise<string> {
  const old = client.welcome.epoch;
  const { since } = await client.until(
    "an update with the new epoch",
    () =>
      client.messages.find(
        (one) => "type" in one && one.type === "throttle_update" && "since" in one && one.since.epoch !== old,
      ) as { since: { epoch: string } } | undefined,
    RECOVERY_MS,
  );
  return since.epoch;
}

describe("NATS faults", { skip: withoutNats(), concurrency: true }, () => {
  test("while NATS is down for 13 s, clients stay connected and /health fails; afterwards no message is missing", async (t) => {
    const { nats, gateway, client } = await setUp(t, ["DOWN.trade"]);
    const before = await nats.publishAll("odin.token.DOWN.trade", [1, 2, 3]);
    await client.receive(3);
    await nats.kill();
    const lost = Date.now();
    await pause(3000); // Shorter than the 10 s after which /health must fail.
    assert.equal((await gateway.ops("/health")).status, 200, "a short loss must not make /health fail");
    assert.equal((await gateway.metrics()).sum("ws_nats_connected"), 0);
    const { body } = await gateway.health(503, 15_000);
    assert.ok(Date.now() - lost >= 9_000, `/health failed after only ${Date.now() - lost} ms`);
    assert.match(JSON.stringify(JSON.parse(body)), /nats|source/i);
    assert.equal((await gateway.ops("/live")).status, 200);
    await client.ask({ type: "heartbeat" }, "heartbeat_ack");
    await nats.start();
    const after = await nats.publishAll("odin.token.DOWN.trade", [4, 5, 6]);
    await client.receive(6, RECOVERY_MS);
    assert.deepEqual(offsets(client), [...before, ...after]);
    await gateway.health(200, RECOVERY_MS);
    assert.equal((await gateway.metrics()).sum("ws_nats_connected"), 1);
    assert.equal((await gateway.stats()).epoch, client.welcome.epoch, "the same stream keeps its epoch");
  });

  test("after repeated kills of NATS every stored message arrives exactly once", async (t) => {
    const { nats, client } = await setUp(t, ["AGAIN.trade"]);
    const stored: number[] = [];
    for (let round = 0; round < 3; round++) {
      stored.push(...(await nats.publishAll("odin.token.AGAIN.trade", Array(50).fill({ round }))));
      // Does not wait for the delivery: some messages are still on their way when the server ends.
      await nats.kill();
      await nats.start();
    }
    stored.push(await nats.publish("odin.token.AGAIN.trade", {}));
    await client.at(stored.at(-1) ?? 0, RECOVERY_MS);
    assert.deepEqual(offsets(client), stored);
  });

  test("when NATS restarts with an empty store, the gateway creates the stream again with a new epoch", async (t) => {
    const { nats, gateway, client } = await setUp(t, ["EMPTY.trade"]);
    await nats.publishAll("odin.token.EMPTY.trade", Array(20).fill({}));
    await client.receive(20);
    await nats.kill();
    await nats.wipe();
    await nats.start();
    await eventually("the stream", () => nats.jsm.streams.info(STREAM), RECOVERY_MS);
    await nats.publishAll("odin.token.EMPTY.trade", [1, 2, 3]);
    await client.receive(23, RECOVERY_MS);
    assert.deepEqual(offsets(client).slice(20), [1, 2, 3]);
    assert.equal((await gateway.stats()).epoch, await newEpoch(client));
  });

  for (const [what, count] of [
    ["fewer", 3],
    ["more", 30],
  ] as const) {
    test(`a stream that is deleted and created again with ${what} messages is read from its beginning`, async (t) => {
      const { nats, gateway, client } = await setUp(t, ["RECREATED.trade"]);
      await nats.publishAll("odin.token.RECREATED.trade", Array(10).fill({ old: true }));
      await client.receive(10);
      await nats.recreateStream();
      const stored = await nats.publishAll("odin.token.RECREATED.trade", Array(count).fill({ old: false }));
      assert.equal(stored[0], 1);
      await client.receive(10 + count, 2 * RECOVERY_MS);
      assert.deepEqual(offsets(client).slice(10), stored);
      assert.deepEqual(
        client.envelopes.map(({ seq }) => seq),
        client.envelopes.map((_, index) => index + 1),
      );
      const epoch = await newEpoch(client);
      assert.equal((await gateway.stats()).epoch, epoch);
      // The gateway cannot resume from a position in the old stream, but from one in the new stream.
      const late = await connect(t, gateway);
      assert.equal(late.welcome.epoch, epoch);
      const old = await late.subscribe(["RECREATED.trade"], { epoch: client.welcome.epoch, offset: 2 });
      assert.equal(old.recovered, false);
      const current = await connect(t, gateway);
      assert.equal((await current.subscribe(["RECREATED.trade"], { epoch, offset: 1 })).recovered, true);
      await current.receive(count - 1);
      await gateway.health(200);
    });
  }

  test("a deleted stream is created again by the gateway", async (t) => {
    const { nats, client } = await setUp(t, ["GONE.trade"]);
    await nats.publish("odin.token.GONE.trade", {});
    await client.receive(1);
    await nats.jsm.streams.delete(STREAM);
    await eventually("the stream", () => nats.jsm.streams.info(STREAM), 2 * RECOVERY_MS);
    const offset = await nats.publish("odin.token.GONE.trade", { again: true });
    await client.receive(2, RECOVERY_MS);
    assert.equal(client.envelopes[1]?.offset, offset);
  });

  test("when the gateway's consumer is deleted while messages flow, every message arrives exactly once", async (t) => {
    const channels = ["CONS1.trade", "CONS2.update"];
    const { nats, client } = await setUp(t, channels);
    const feed = startFeed(t, nats, channels, 1);
    for (let round = 1; round <= 3; round++) {
      await client.receive(round * 40, RECOVERY_MS);
      const infos = await eventually("a consumer", async () => {
        const all = await nats.jsm.consumers.list(STREAM).next();
        return all.length > 0 && all;
      });
      for (const { name } of infos) await nats.jsm.consumers.delete(STREAM, name).catch(() => {});
    }
    const published = await feed.stop();
    await client.at(published.at(-1)?.offset ?? 0, RECOVERY_MS);
    assertComplete(client.envelopes, published);
  });

  test("a gateway that starts without NATS is alive but not healthy, and recovers when NATS starts", async (t) => {
    const nats = await startNats(t, { down: true });
    const gateway = await startGateway(t, { nats, until: "live" });
    const { body } = await gateway.health(503);
    assert.match(JSON.stringify(JSON.parse(body)), /nats|source|connect/i);
    await pause(3000); // Long enough for two attempts to fail.
    await gateway.assertAlive();
    await nats.start();
    await gateway.health(200, RECOVERY_MS);
    const client = await connect(t, gateway);
    await client.subscribe(["LATE.trade"]);
    await nats.publish("odin.token.LATE.trade", {});
    await client.receive(1);
  });

  test("the stream is created with the documented limits, and a stream with other limits is left unchanged", async (t) => {
    const { nats } = await setUp(t, ["X.trade"]);
    const { config } = await nats.jsm.streams.info(STREAM);
    assert.deepEqual(config.subjects.toSorted(), ["odin.global.>", "odin.token.>"]);
    assert.deepEqual(
      [
        config.retention,
        config.storage,
        config.num_replicas,
        config.max_age,
        config.max_msgs,
        config.max_bytes,
      ],
      ["limits", "file", 1, 30e9, 100_000, 52_428_800],
    );
    const gateway = await startGateway(t, { nats, env: { JS_STREAM_MAX_MSGS: "500" } });
    assert.equal((await nats.jsm.streams.info(STREAM)).config.max_msgs, 100_000);
    await eventually("a log line about the different limit", () => /max_msgs/.test(gateway.process.output));
  });

  test("when the account's plan does not allow the stream, the log says which setting to change", async (t) => {
    const config = `accounts {
      A {
        jetstream { max_store: 10MB }
        users: [{ user: a, password: a }]
      }
    }`;
    const nats = await startNats(t, { config, login: { user: "a", pass: "a" } });
    const url = nats.url.replace("//", "//a:a@");
    for (const [env, advice] of [
      [{ NATS_URL: url }, /insufficient storage .*Set JS_STREAM_MAX_BYTES \(now 52428800\) or JS_REPLICAS/],
      [
        { NATS_URL: url, JS_REPLICAS: "3", JS_STREAM_MAX_BYTES: "1048576" },
        /replicas > 1 not supported .*Set JS_REPLICAS \(now 3\) to/,
      ],
    ] as const) {
      const gateway = await startGateway(t, { env, until: "live" });
      await eventually("advice in the log", () => advice.test(gateway.process.output), RECOVERY_MS);
    }
    // The advice works.
    await startGateway(t, { env: { NATS_URL: url, JS_STREAM_MAX_BYTES: "1048576" } });
    assert.equal((await nats.jsm.streams.info(STREAM)).config.num_replicas, 1);
  });

  test("when the plan allows the stream and not those beside it, the log says for each how to do without", async (t) => {
    // Room for one stream of 50 MiB, and for the small streams.
    const limits = { "max_store: 70MB": /ODIN_TOKENS_LAST of this size: .*, or set WS_LAST_VALUES=false/ };
    const full = /allows no stream beside those that it has, so (\w+) cannot be created: .*?, or ([^":\\]+)/g;
    for (const [limit, advice] of Object.entries({ ...limits, "max_streams: 1": full })) {
      const config = `accounts { A { jetstream { ${limit} }, users: [{ user: a, password: a }] } }`;
      const nats = await startNats(t, { config, login: { user: "a", pass: "a" } });
      const subjects = ["odin.token.>", "odin.global.>"];
      await nats.jsm.streams.add({ name: STREAM, subjects, max_bytes: 52_428_800 });
      const env = {
        NATS_URL: nats.url.replace("//", "//a:a@"),
        AUTH_MODE: "jwt",
        JWT_SECRET: "x".repeat(32),
      };
      const { process: gateway } = await startGateway(t, { env });
      const count = advice.global ? 3 : 1;
      const found = await eventually(
        () => `advice for ${limit}:\n${gateway.tail()}`,
        () => {
          const all = [...gateway.output.matchAll(new RegExp(advice, "g"))];
          return new Set(all.map(([, name]) => name)).size === count && all;
        },
        RECOVERY_MS,
      );
      if (count === 3)
        assert.deepEqual(Object.fromEntries(found.map(([, name, otherwise]) => [name, otherwise])), {
          ODIN_TOKENS_LAST: "set WS_LAST_VALUES=false",
          ODIN_TOKENS_DICTIONARIES: "set WS_COMPACT=false",
          ODIN_REVOCATIONS: "do without revocations",
        });
    }
  });

  test("each gateway has its own consumer, named by its setting, which is deleted when the gateway stops", async (t) => {
    const { nats, gateway } = await setUp(t, ["X.trade"]);
    const same = await startGateway(t, { nats });
    const other = await startGateway(t, { nats, env: { JS_CONSUMER_NAME: "blue" } });
    const names = async () => (await nats.jsm.consumers.list(STREAM).next()).map(({ name }) => name);
    const starting = (all: string[], prefix: string) => all.filter((name) => name.startsWith(prefix)).length;
    const all = await names();
    assert.deepEqual([starting(all, "ws-server"), starting(all, "blue")], [2, 1], all.join(" "));
    await nats.publish("odin.token.X.trade", {});
    for (const one of [gateway, same, other]) {
      await eventually("the message", async () => (await one.stats()).offset === 1);
    }
    await other.stop();
    await eventually("the deletion of its consumer", async () => starting(await names(), "blue") === 0);
    assert.equal(starting(await names(), "ws-server"), 2);
  });

  test("SIGTERM ends the gateway cleanly while NATS is down", async (t) => {
    const { nats, gateway } = await setUp(t, ["X.trade"]);
    await nats.kill();
    await eventually("the loss", async () => (await gateway.metrics()).sum("ws_nats_connected") === 0);
    assert.deepEqual(await gateway.stop("SIGTERM"), { code: 0, signal: null });
  });
});
