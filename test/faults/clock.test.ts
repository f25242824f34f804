/** Clocks that disagree with the gateway's, and a gateway's clock that is set while it runs. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, refusal, type TestClient } from "../harness/client.ts";
import { type Env, type Gateway, startGateway } from "../harness/gateway.ts";
import type { Owner } from "../harness/owner.ts";
import { type Claims, issue } from "../harness/tokens.ts";
import { eventually, pause, within } from "../harness/wait.ts";

const SECRET = "a secret of at least thirty-two bytes, as HS256 wants it";
const HOUR_S = 3600;
const SETTABLE = new URL("../harness/settable-clock.ts", import.meta.url).href;
const LIMITED: Env = { WS_INBOUND_RATE: "20", WS_INBOUND_BURST: "10" };

/** A gateway whose clock can be set by this many seconds, as often as wanted. */
async function startSettable(t: Owner, stepSeconds: number, env: Env = {}) {
  const gateway = await startGateway(t, {
    env: {
      AUTH_MODE: "jwt",
      JWT_SECRET: SECRET,
      WS_PING_SECONDS: "1",
      NODE_OPTIONS: `--import=${SETTABLE}`,
      CLOCK_STEP_MS: String(stepSeconds * 1000),
      ...env,
    },
  });
  let steps = 0;
  const step = async () => {
    steps++;
    gateway.process.signal("SIGUSR2");
    await eventually("the step", () => gateway.process.output.split("the clock was set").length > steps);
  };
  return { gateway, step };
}

const open = async (t: Owner, gateway: Gateway, claims: Claims) =>
  connect(t, gateway, { token: await issue(SECRET, claims) });

function countPings(client: TestClient): () => number {
  let pings = 0;
  client.socket.on("ping", () => pings++);
  return () => pings;
}

describe("clocks", { concurrency: 3 }, () => {
  test("tokens of an issuer whose clock is ahead or behind", async (t) => {
    const gateway = await startGateway(t, { env: { AUTH_MODE: "jwt", JWT_SECRET: SECRET } });
    const now = Math.floor(Date.now() / 1000);
    const accepted: Record<string, Claims> = {
      "20 s ahead": { nbf: now + 20, iat: now + 20, expiresIn: 320 },
      "an hour ahead, without nbf": { iat: now + HOUR_S, expiresIn: HOUR_S + 300 },
      "behind, and about to expire": { nbf: now - 290, iat: now - 290, expiresIn: 10 },
      "fractions of a second": { nbf: now + 0.5, exp: now + 300.5 } as Claims,
      "exp in milliseconds": { exp: now * 1000 } as Claims,
    };
    for (const [what, claims] of Object.entries(accepted)) {
      const client = await open(t, gateway, { sub: what, ...claims });
      await client.ask({ type: "heartbeat" }, "heartbeat_ack");
      await client.close();
    }
    const refused: Record<string, Claims> = {
      "10 min ahead": { nbf: now + 600 },
      "behind by more than the token lasts": { expiresIn: -1 },
      "expires now": { expiresIn: 0 },
      "exp 0": { exp: 0 } as Claims,
      "negative exp": { exp: -1 } as Claims,
      "no exp": { exp: undefined } as unknown as Claims,
      "exp is text": { exp: String(now + 300) } as unknown as Claims,
      "nbf is text": { nbf: String(now) } as unknown as Claims,
    };
    for (const [what, claims] of Object.entries(refused)) {
      const answer = await refusal(t, gateway, { token: await issue(SECRET, { sub: what, ...claims }) });
      assert.equal(answer.status, 401, what);
    }
  });

  for (const [direction, seconds] of [
    ["forward", HOUR_S],
    ["back", -HOUR_S],
  ] as const) {
    test(`an hour ${direction}: nobody is disconnected, pings, limits and resumes continue`, async (t) => {
      const { gateway, step } = await startSettable(t, seconds, LIMITED);
      const client = await open(t, gateway, { sub: "a", expiresIn: 10 * HOUR_S });
      const pings = countPings(client);
      await eventually("a ping", () => pings() > 0);
      for (let n = 0; n < 3; n++) {
        await step();
        const before = pings();
        await eventually("pings after the step", () => pings() >= before + 2, 5000);
      }
      assert.equal(client.closedWith, undefined);
      // The history has not aged by an hour.
      const other = await open(t, gateway, { sub: "b", expiresIn: 10 * HOUR_S });
      assert.equal((await other.subscribe(["*.*"], client.position)).recovered, true);
      // The burst is full, and no more than full.
      const from = client.messages.length;
      for (let n = 0; n < 50; n++) client.send({ type: "heartbeat" });
      await client.control("error", from);
      await eventually("the next message", async () => {
        await pause(1000);
        return client.ask({ type: "heartbeat" }, "heartbeat_ack");
      });
      assert.equal((await gateway.ops("/health")).status, 200);
      assert.ok((await gateway.metrics()).sum("ws_connection_duration_seconds_sum") >= 0);
    });

    test(`an hour ${direction} during a drain: the drain takes as long as planned`, async (t) => {
      const { gateway, step } = await startSettable(t, seconds, { WS_DRAIN_SECONDS: "3" });
      const clients = await Promise.all(
        ["a", "b", "c", "d"].map((sub) => open(t, gateway, { sub, expiresIn: 10 * HOUR_S })),
      );
      const from = performance.now();
      gateway.process.signal("SIGTERM");
      await eventually("the drain", () => gateway.process.output.includes('"draining"'));
      await step();
      const closed = await Promise.all(clients.map((client) => client.ended()));
      assert.deepEqual(new Set(closed.map(({ code }) => code)), new Set([1012]));
      assert.equal((await within("the end", gateway.process.exited)).code, 0);
      const ms = performance.now() - from;
      assert.ok(ms > 1500 && ms < 6000, `drained in ${ms} ms`);
    });
  }

  test("a step over the expiry of a token closes its connection within two pings", async (t) => {
    const { gateway, step } = await startSettable(t, HOUR_S);
    const short = await open(t, gateway, { sub: "short", expiresIn: HOUR_S / 2 });
    const long = await open(t, gateway, { sub: "long", expiresIn: 2 * HOUR_S });
    await step();
    assert.equal((await short.ended(5000)).code, 4401);
    await long.ask({ type: "heartbeat" }, "heartbeat_ack");
    const token = await issue(SECRET, { sub: "short", expiresIn: HOUR_S / 2 });
    assert.equal((await refusal(t, gateway, { token })).status, 401);
  });
});
