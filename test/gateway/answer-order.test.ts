/** Answers come in the order of the requests, whatever each of them costs. */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { isEnvelope } from "@odin-ws/protocol";
import { connect, type TestClient } from "../harness/client.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { type Issuer, newIssuer } from "../harness/tokens.ts";

/** A request, and its answer: the type or error code, and the number of channels after it. */
interface Request {
  message: (token: string) => object;
  answer: string;
  /** Channels that the request adds or removes. */
  change?: { add?: string; remove?: string };
}

const subscribe = (channel: string, epoch?: string): Request => ({
  message: () => ({
    type: "subscribe",
    channels: [channel],
    ...(epoch !== undefined && { since: { epoch, offset: 0 } }),
  }),
  answer: "subscription_ack",
  change: { add: channel },
});

const requests = (epoch: string): Record<string, Request> => ({
  auth: { message: (token) => ({ type: "auth", token }), answer: "subscription_ack" },
  "auth that fails": { message: () => ({ type: "auth", token: "x" }), answer: "unauthorized" },
  subscribe: subscribe("NEW.trade"),
  "subscribe since": subscribe("OLD.trade", epoch),
  "subscribe since to everything": subscribe("*.*", epoch),
  unsubscribe: {
    message: () => ({ type: "unsubscribe", channels: ["BASE.trade"] }),
    answer: "subscription_ack",
    change: { remove: "BASE.trade" },
  },
  replay: { message: () => ({ type: "replay", from_seq: 1, to_seq: 9 }), answer: "replay_end" },
  heartbeat: { message: () => ({ type: "heartbeat" }), answer: "heartbeat_ack" },
  nonsense: { message: () => ({ type: "nonsense" }), answer: "invalid_message" },
});

/** Type or code of each answer, with the number of channels where it has one. */
function answers(client: TestClient, from: number): string[] {
  return client.messages.slice(from).flatMap((message) => {
    if (isEnvelope(message)) return [];
    // A replay behind a resume that is still being sent is refused, in its place.
    if (message.type === "error") return [message.code === "rate_limited" ? "replay_end" : message.code];
    return [message.type === "subscription_ack" ? `${message.type} ${message.count}` : message.type];
  });
}

function expected(pair: readonly Request[]): string[] {
  const channels = new Set(["BASE.trade"]);
  return pair.map(({ answer, change }) => {
    if (change?.add !== undefined) channels.add(change.add);
    if (change?.remove !== undefined) channels.delete(change.remove);
    return answer === "subscription_ack" ? `${answer} ${channels.size}` : answer;
  });
}

describe("order of answers", { skip: withoutNats() }, () => {
  const owner = suiteOwner();
  let nats: Nats;
  let gateway: Gateway;
  let issuer: Issuer;

  before(async () => {
    issuer = await newIssuer("RS256");
    nats = await startNats(owner);
    gateway = await startGateway(owner, {
      nats,
      env: {
        AUTH_MODE: "jwt",
        JWT_PUBLIC_KEY: issuer.publicKey.replaceAll("\n", "\\n"),
        WS_MAX_CONNECTIONS_PER_USER: "0",
        WS_INBOUND_RATE: "10000",
        WS_INBOUND_BURST: "10000",
        JS_STREAM_MAX_AGE: "10m",
      },
    });
    await nats.publishAll("odin.token.OLD.trade", Array(1000).fill({ text: "x".repeat(200) }));
    await gateway.metric("ws_stream_messages_total", {}, (value) => value >= 1000);
  });

  test("every pair of requests, sent back to back", async (t) => {
    const token = await issuer.issue({ sub: "ann" });
    const { epoch } = await gateway.stats();
    const all = Object.entries(requests(epoch));
    for (const [firstName, first] of all) {
      const client = await connect(t, gateway, { token });
      for (const [secondName, second] of all) {
        const before = [...(await client.subscribe(["BASE.trade"])).subscribed];
        const gone = before.filter((name) => name !== "BASE.trade");
        if (gone.length > 0) await client.ask({ type: "unsubscribe", channels: gone }, "subscription_ack");
        const from = client.messages.length;
        // One segment: both are there before the first is answered.
        client.socket.pause();
        client.send(first.message(token));
        client.send(second.message(token));
        client.socket.resume();
        const name = `${firstName}, ${secondName}`;
        const got = await client.until(name, () => {
          const list = answers(client, from);
          return list.length >= 2 && list;
        });
        assert.deepEqual(got, expected([first, second]), name);
      }
      await client.close();
    }
  });

  test("a long row of requests", async (t) => {
    const token = await issuer.issue({ sub: "ann" });
    const { epoch } = await gateway.stats();
    const all = Object.values(requests(epoch));
    const client = await connect(t, gateway, { token });
    await client.subscribe(["BASE.trade"]);
    const row = [...all, ...all.toReversed(), ...all];
    const from = client.messages.length;
    for (const { message } of row) client.send(message(token));
    const got = await client.until("all answers", () => {
      const list = answers(client, from);
      return list.length >= row.length && list;
    });
    assert.deepEqual(got, expected(row));
  });
});
