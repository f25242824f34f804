/**
 * Full and overloaded gateways: which clients they refuse, and how `/health` reports the state to the load
 * balancer.
 */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, Refused, refusal } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import type { Answer } from "../harness/http.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";

// Opens `count` connections at once and separates the accepted ones from the refused ones.
async function storm(t: Owner, gateway: Gateway, count: number) {
  const attempts = Array.from({ length: count }, () => connect(t, gateway));
  const outcomes = await Promise.allSettled(attempts);
  const refused: Answer[] = [];
  const clients = outcomes.flatMap((outcome) => {
    if (outcome.status === "fulfilled") return [outcome.value];
    assert.ok(outcome.reason instanceof Refused, String(outcome.reason));
    refused.push(outcome.reason.answer);
    return [];
  });
  return { clients, refused };
}

function assertRetryAfter({ headers }: Answer): void {
  assert.ok(Number(headers["retry-after"]) >= 1, `Retry-After: ${headers["retry-after"]}`);
}

// Asserts that the body of /health is JSON and names the cause.
function assertReason({ body, headers }: Answer, cause: RegExp): void {
  assert.match(headers["content-type"] ?? "", /application\/json/);
  assert.match(JSON.stringify(JSON.parse(body)), cause);
}

describe("admission", { concurrency: true }, () => {
  test("a full gateway answers 503 with Retry-After and fails /health until enough clients have left", async (t) => {
    const gateway = await startGateway(t, { env: { WS_MAX_CONNECTIONS: "40" } });
    const { clients, refused } = await storm(t, gateway, 60);
    assert.equal(clients.length, 40);
    assert.equal(refused.length, 20);
    for (const answer of refused) {
      assert.equal(answer.status, 503);
      assertRetryAfter(answer);
    }
    assertReason(await gateway.health(503), /connection|full|capacity/i);
    assert.equal((await gateway.ops("/live")).status, 200);
    assert.equal((await gateway.metrics()).sum("ws_connections_rejected_total"), 20);
    assert.equal((await gateway.stats()).connections, 40);
    await clients[0]?.close();
    await eventually("one place free", async () => (await gateway.stats()).connections === 39);
    assert.equal(
      (await gateway.ops("/health")).status,
      503,
      "one free place of 40 must not make /health succeed again",
    );
    await Promise.all(clients.slice(1).map((client) => client.close()));
    await gateway.health(200);
    await connect(t, gateway);
  });

  test("too many new connections per second from one address are refused with 429 and Retry-After", async (t) => {
    const gateway = await startGateway(t, { env: { WS_MAX_CONNECTS_PER_IP_PER_SECOND: "5" } });
    const { clients, refused } = await storm(t, gateway, 30);
    // A storm that takes longer than a second gets the next second's allowance, too.
    assert.ok(clients.length >= 5 && clients.length <= 20, `${clients.length} of 30 accepted`);
    for (const answer of refused) {
      assert.equal(answer.status, 429);
      assertRetryAfter(answer);
    }
    await eventually("a connection in a later second", () => connect(t, gateway));
    assert.equal(
      (await gateway.ops("/health")).status,
      200,
      "a storm from one address must not make /health fail",
    );
    assert.ok((await gateway.metrics()).sum("ws_connections_rejected_total") >= refused.length);
  });

  test("a gateway without a limit per address accepts a storm of connections from one address", async (t) => {
    const gateway = await startGateway(t);
    const { clients } = await storm(t, gateway, 200);
    assert.equal(clients.length, 200);
  });

  test("above the CPU limit the gateway refuses clients and fails /health, and recovers afterwards", async (t) => {
    const gateway = await startGateway(t, { until: "live", env: { WS_CPU_LIMIT: "0.1" } });
    // Scrapes without pause soon use up a tenth of a core.
    let over = false;
    t.after(() => {
      over = true;
    });
    const load = (async () => {
      while (!over) await gateway.metrics();
    })();
    assertReason(await gateway.health(503), /cpu/i);
    const answer = await eventually("a refusal", () => refusal(t, gateway));
    assert.equal(answer.status, 503);
    assertRetryAfter(answer);
    assert.equal((await gateway.ops("/live")).status, 200);
    await gateway.metric("ws_connections_rejected_total", {}, (value) => value >= 1);
    await gateway.metric("ws_cpu_usage_percent", {}, (value) => value > 75);
    over = true;
    await load;
    await gateway.health(200, 30_000);
    await connect(t, gateway);
  });

  test("above the memory limit the gateway refuses clients and fails /health, while /live stays 200", async (t) => {
    const gateway = await startGateway(t, { until: "live", env: { WS_MEMORY_LIMIT: "67108864" } });
    assertReason(await gateway.health(503), /memory/i);
    const answer = await eventually("a refusal", () => refusal(t, gateway));
    assert.equal(answer.status, 503);
    assertRetryAfter(answer);
    assert.equal((await gateway.ops("/live")).status, 200);
  });

  test("ws_capacity_ratio follows the number of connections", async (t) => {
    const gateway = await startGateway(t, { env: { WS_MAX_CONNECTIONS: "10" } });
    await storm(t, gateway, 5);
    await gateway.metric("ws_capacity_ratio", {}, (value) => Math.abs(value - 0.5) < 0.001);
  });
});
