/** The limit of a user over gateways that are killed, drain, or lose NATS. */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { limitOf, newToken, SEATS, startTogether, together } from "../../faults/counting-together.ts";
import { connect, Refused, refusal, type TestClient } from "../../harness/client.ts";
import type { Gateway } from "../../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../../harness/nats.ts";
import { suiteOwner } from "../../harness/owner.ts";
import { eventually } from "../../harness/wait.ts";

const RELEASE_MS = 10_000; // ms after which a gateway that was killed holds no seat

const isAlive = (client: TestClient) => client.ask({ type: "heartbeat" }, "heartbeat_ack");

type Three = [Gateway, Gateway, Gateway];

describe("the limit of a user over several gateways", { skip: withoutNats(), concurrency: 3 }, () => {
  const owner = suiteOwner();
  let nats: Nats;
  before(async () => {
    nats = await startNats(owner);
  });

  test("refuse: the limit holds over three gateways and their workers, when one is killed and when one drains", async (t) => {
    const [a, b, c] = (await startTogether(t, nats, [
      { WS_WORKER_POOL_SIZE: "2" },
      {},
      { WS_DRAIN_SECONDS: "60" },
    ])) as Three;
    const token = await newToken();
    const tabs = [
      await connect(t, a, { token }),
      await connect(t, b, { token }),
      await connect(t, a, { token }),
    ];
    for (const gateway of [a, b, c]) {
      const answer = await refusal(t, gateway, { token });
      assert.deepEqual([answer.status, JSON.parse(answer.body).error], [429, "per_user"]);
    }
    await tabs[0]?.close();
    tabs[0] = await eventually("the seat that was freed", () => connect(t, c, { token }).catch(() => false));
    assert.equal((await refusal(t, a, { token })).status, 429);
    for (const tab of tabs) await isAlive(tab);
    await c.metric("ws_user_seat_claims_total", { result: "refused" }, (value) => value >= 1);
    await c.metric("ws_user_limit_gateways", {}, (value) => value === 3);
    await c.metric("ws_user_limit_alone", {}, (value) => value === 0);

    // Crowds that ask three gateways at the same moment get exactly as many seats as the limit.
    const crowds = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const user = await newToken();
        const answers = await Promise.allSettled(
          [a, b, c, a, b, c].map((gateway) => connect(t, gateway, { token: user })),
        );
        for (const answer of answers)
          assert.ok(
            answer.status === "fulfilled" || answer.reason instanceof Refused,
            JSON.stringify(answer),
          );
        return answers.filter(({ status }) => status === "fulfilled").length;
      }),
    );
    assert.deepEqual(crowds, Array(10).fill(SEATS));

    const killed = await Promise.all(Array.from({ length: 6 }, newToken));
    for (const token of killed) for (let seat = 0; seat < SEATS; seat++) await connect(t, a, { token });
    const drained = await newToken();
    for (let seat = 0; seat < SEATS; seat++) await connect(t, c, { token: drained });

    // The VM ends: no process of the gateway says goodbye.
    await a.process.dispose();
    const from = performance.now();
    const [first = "", ...others] = killed;
    await connect(t, b, { token: first });
    await together([b, c]);
    assert.ok(performance.now() - from < RELEASE_MS, `released after ${performance.now() - from} ms`);
    const before = performance.now();
    for (const token of others) for (let seat = 0; seat < SEATS; seat++) await connect(t, b, { token });
    assert.equal(
      (await refusal(t, b, { token: others[0] as string })).status,
      429,
      "the limit holds as before",
    );
    assert.ok(performance.now() - before < 3000, "no seat of the gateway that was killed is left");

    c.process.signal("SIGTERM");
    await c.health(503);
    for (let seat = 0; seat < SEATS; seat++)
      await eventually("a seat that the drain released", () =>
        connect(t, b, { token: drained }).catch(() => false),
      );
    assert.ok((await c.stats()).connections > 0, "clients of the gateway are still connected");
    await together([b]);
  });

  test("NATS away: each gateway counts alone and says so; NATS back: they agree again", async (t) => {
    const own = await startNats(t);
    const [a, b] = (await startTogether(t, own, [{}, {}])) as Three;
    const token = await newToken();
    const tabs = [await connect(t, a, { token }), await connect(t, a, { token })];
    await own.kill();
    for (const gateway of [a, b])
      await eventually(
        "a gateway that counts alone",
        async () => (await limitOf(gateway)).counted_by === "gateway",
      );
    assert.match(b.process.output, /holds for this gateway alone/);
    await b.metric("ws_user_limit_alone", {}, (value) => value === 1);
    for (let seat = 0; seat < SEATS; seat++) tabs.push(await connect(t, b, { token }));
    assert.equal((await refusal(t, b, { token })).status, 429, "its own connections count");
    await own.start();
    await together([a, b]);
    // The newest two of five are closed.
    await eventually("the limit", () => tabs.filter(({ closedWith }) => closedWith).length === 2);
    assert.deepEqual(
      tabs.map(({ closedWith }) => closedWith?.code),
      [undefined, undefined, undefined, 4409, 4409],
    );
    for (const gateway of [a, b]) assert.equal((await refusal(t, gateway, { token })).status, 429);
  });
});
