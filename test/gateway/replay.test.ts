/** Replay: a client requests envelopes again that its connection has already received. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, type TestClient } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { withoutNats } from "../harness/nats.ts";
import { shareGateway } from "../harness/shared-gateway.ts";

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

// Requests a replay and returns the texts of its envelopes and its replay_end.
async function replay(client: TestClient, from_seq: number, to_seq: number) {
  const start = client.texts.length;
  const end = await client.ask({ type: "replay", from_seq, to_seq }, "replay_end");
  return { end, texts: client.texts.slice(start, client.messages.indexOf(end)) };
}

describe("replay", { skip: withoutNats() }, () => {
  const shared = shareGateway();

  // Subscribes and waits for `count` new messages; returns the texts of their envelopes.
  const receiveNew = async (client: TestClient, symbol: string, count: number) => {
    await client.subscribe([`${symbol}.trade`]);
    await shared.nats.publishAll(
      `odin.token.${symbol}.trade`,
      numbers(1, count).map((n) => ({ n, text: "x".repeat(300) })),
    );
    await client.receive(count);
    return client.texts.slice(-count);
  };

  for (const deflate of [false, true]) {
    test(`a replay sends the same envelopes again, ${deflate ? "compressed" : "plain"}`, async (t) => {
      const client = await connect(t, shared.gateway, { deflate });
      const sent = await receiveNew(client, deflate ? "AGAIN1" : "AGAIN2", 9);
      const { end, texts } = await replay(client, 5, 7);
      assert.deepEqual(texts, sent.slice(4, 7));
      assert.deepEqual(end, { type: "replay_end", from_seq: 5, to_seq: 7, sent: 3, missing: 0 });
      assert.deepEqual((await replay(client, 9, 9)).texts, sent.slice(8));
    });
  }

  test("the last 100 envelopes are kept, and older ones are reported as missing", async (t) => {
    const client = await connect(t, shared.gateway);
    const sent = await receiveNew(client, "KEPT", 130);
    const { end, texts } = await replay(client, 1, 130);
    assert.deepEqual(texts, sent.slice(30));
    assert.deepEqual(end, { type: "replay_end", from_seq: 1, to_seq: 130, sent: 100, missing: 30 });
    assert.deepEqual((await replay(client, 3, 8)).end, {
      type: "replay_end",
      from_seq: 3,
      to_seq: 8,
      sent: 0,
      missing: 6,
    });
  });

  test("a range far beyond the last envelope is answered at once", async (t) => {
    const client = await connect(t, shared.gateway);
    await receiveNew(client, "FAR", 5);
    const { end, texts } = await replay(client, 1, Number.MAX_SAFE_INTEGER);
    assert.equal(end.sent, 5);
    assert.equal(texts.length, 5);
    assert.equal((await replay(client, 1000, 2000)).end.sent, 0);
  });

  test("live messages continue without a gap after a replay", async (t) => {
    const client = await connect(t, shared.gateway);
    await receiveNew(client, "LIVE", 10);
    await replay(client, 1, 10);
    const offset = await shared.nats.publish("odin.token.LIVE.trade", {});
    assert.equal((await client.at(offset)).seq, 11);
  });

  test("WS_REPLAY_BUFFER sets how many envelopes are kept", async (t) => {
    const small = await startGateway(t, { nats: shared.nats, env: { WS_REPLAY_BUFFER: "5" } });
    const client = await connect(t, small);
    const sent = await receiveNew(client, "SMALL", 12);
    const { end, texts } = await replay(client, 1, 12);
    assert.deepEqual(texts, sent.slice(7));
    assert.equal(end.missing, 7);
  });

  test("a replay is counted", async (t) => {
    const client = await connect(t, shared.gateway);
    await receiveNew(client, "COUNT", 3);
    const before = (await shared.gateway.metrics()).sum("ws_replays_total");
    await replay(client, 1, 3);
    await shared.gateway.metric("ws_replays_total", {}, (value) => value === before + 1);
  });
});
