/** A gateway lets nobody in before it knows the stream. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, Refused, type TestClient } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { get } from "../harness/http.ts";
import { type Nats, STREAM, startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";

const COUNT = 20_000;
const SUBJECT = "odin.token.WARM.trade";

async function publish(nats: Nats, count: number): Promise<void> {
  for (let n = 0; n < count; n += 2000) {
    await nats.publishAll(
      SUBJECT,
      Array.from({ length: Math.min(2000, count - n) }, (_, i) => ({ n: n + i })),
    );
  }
}

function assertRefused(refused: Refused): void {
  const { status, body, headers } = refused.answer;
  assert.deepEqual([status, JSON.parse(body).error], [503, "history"]);
  assert.ok(Number(headers["retry-after"]) >= 1, "a Retry-After");
}

/** Connects without a pause until the gateway accepts. Each refusal must be the 503 with reason `history`. */
async function connectAsSoonAsPossible(t: Owner, gateway: Gateway): Promise<TestClient> {
  return eventually(
    "a connection",
    async () => {
      for (;;) {
        try {
          return await connect(t, gateway);
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          assertRefused(error);
        }
      }
    },
    30_000,
  );
}

/** Asserts that the first client gets no old message as a new one, and that another client can resume. */
async function assertKnowsStream(
  t: Owner,
  gateway: Gateway,
  client: TestClient,
  count: number,
): Promise<void> {
  const { epoch, offset } = client.welcome;
  assert.deepEqual([epoch, offset], [(await gateway.stats()).epoch, count]);
  await client.subscribe(["WARM.trade"]);
  assert.equal(
    (await client.ask({ type: "heartbeat" }, "heartbeat_ack")).seq,
    0,
    "nothing old comes as if it were live",
  );
  const resumed = await connect(t, gateway);
  const ack = await resumed.subscribe(["WARM.trade"], { epoch, offset: 10 });
  assert.deepEqual([ack.recovered, ack.replayed], [true, count - 10]);
}

describe("a gateway that does not know the stream yet", { skip: withoutNats(), concurrency: true }, () => {
  for (const workers of ["1", "2"]) {
    test(`refuses with 503 while it reads ${COUNT} messages at its start, with ${workers} processes`, async (t) => {
      const nats = await startNats(t, { down: true });
      const env = { WS_WORKER_POOL_SIZE: workers, JS_STREAM_MAX_AGE: "10m" };
      // Without NATS the gateway has no epoch, so it refuses all clients.
      const gateway = await startGateway(t, { nats, env, until: "live" });
      await eventually("the port", async () => {
        await assert.rejects(connect(t, gateway), (error) => {
          assert.ok(error instanceof Refused, `${error}`);
          assertRefused(error);
          return true;
        });
        return true;
      });
      // A client that cannot see the answer to an upgrade sends a plain request.
      const { status, headers } = await get(gateway.url.replace("ws:", "http:"));
      assert.deepEqual([status, headers["retry-after"]], [426, "2"]);
      await nats.start();
      await gateway.health(200, 20_000);
      await publish(nats, COUNT);
      const late = await startGateway(t, { nats, env, until: "live" });
      const client = await connectAsSoonAsPossible(t, late);
      await assertKnowsStream(t, late, client, COUNT);
    });
  }

  test("refuses while it reads a stream that replaced the old one; connected clients stay", async (t) => {
    const nats = await startNats(t);
    const env = { JS_STREAM_MAX_AGE: "10m" };
    const gateway = await startGateway(t, { nats, env });
    const old = await connect(t, gateway);
    await old.subscribe(["WARM.trade"]);
    await nats.publish(SUBJECT, {});
    await old.receive(1);
    const { config } = await nats.jsm.streams.info(STREAM);
    // The gateway is suspended while the other stream fills, so that it has much to read at once.
    gateway.process.signal("SIGSTOP");
    await nats.jsm.streams.delete(STREAM);
    await nats.jsm.streams.add(config);
    await publish(nats, COUNT);
    gateway.process.signal("SIGCONT");
    await eventually("the new epoch", async () => (await gateway.stats()).epoch !== old.welcome.epoch);
    const client = await connectAsSoonAsPossible(t, gateway);
    await assertKnowsStream(t, gateway, client, COUNT);
    await old.receive(1 + COUNT, 20_000);
    assert.equal(old.closedWith, undefined);
  });

  test("the simulator lets clients in only with an epoch", async (t) => {
    const gateway = await startGateway(t, { until: "live" });
    const client = await connectAsSoonAsPossible(t, gateway);
    assert.notEqual(client.welcome.epoch, "");
  });
});
