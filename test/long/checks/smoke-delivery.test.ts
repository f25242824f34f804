/** The smoke test finds gateways that accept clients and deliver nothing, and a TLS entrance that fails. */

import { strict as assert } from "node:assert";
import type { Server } from "node:net";
import { describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { type WebSocket, WebSocketServer } from "ws";
import { runChild } from "../../../tools/testing/child.ts";
import { fakeCompute, type Reply } from "../../checks/fake-compute.ts";
import { type Env, type Gateway, startGateway } from "../../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../../harness/nats.ts";
import { type Owner, suiteOwner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";

const SMOKE = fileURLToPath(new URL("../../../checks/smoke-test.ts", import.meta.url));
const QUICK = { ODIN_SMOKE_DEADLINE_SECONDS: "1" }; // one attempt: these failures do not pass by themselves
const CERTIFICATE = "projects/p/locations/global/certificates/live";

async function smoke(url: string, env: Env = {}) {
  const { code, output } = await runChild(process.execPath, [SMOKE, url], {
    capture: true,
    env: { PATH: process.env.PATH, HOME: "/nonexistent", ...QUICK, ...env },
  });
  return { code, output };
}

const has = (output: string, pattern: RegExp) => assert.match(output, pattern);

describe("with a gateway that reads NATS", { skip: withoutNats() }, () => {
  const owner = suiteOwner();
  let running: Promise<{ nats: Nats; gateway: Gateway }> | undefined;
  const start = async () => {
    const nats = await startNats(owner);
    return { nats, gateway: await startGateway(owner, { nats }) };
  };
  const setting = () => {
    running ??= start();
    return running;
  };

  test("a stream that never had a publisher is not a failure, because the first deployment has none", async () => {
    const { gateway } = await setting();
    const { code, output } = await smoke(gateway.url);
    assert.equal(code, 0, output);
    has(output, /^ok subscribe/m);
    has(output, /^not checked message, resume: the stream has carried no message yet$/m);
    assert.doesNotMatch(output, /^ok message/m);
  });

  test("a published message must arrive, and arrive again on a second connection", async () => {
    const { nats, gateway } = await setting();
    const timer = setInterval(() => nats.publish("odin.token.BTC.trade", { price: 1 }), 100);
    const { code, output } = await smoke(gateway.url).finally(() => clearInterval(timer));
    assert.equal(code, 0, output);
    has(output, /^ok message \d+ ms: envelope of BTC\.trade$/m);
    has(output, /^ok resume \d+ ms: the same message on a second connection$/m);
  });

  test("a stream whose publishers have stopped is a failure, unless the stream may be quiet", async () => {
    const { gateway } = await setting();
    const failed = await smoke(gateway.url);
    assert.equal(failed.code, 1, failed.output);
    has(failed.output, /^FAILED message: expected an envelope within 3 s, .*Look at the publishers first/m);
    const quiet = await smoke(gateway.url, { ODIN_SMOKE_QUIET_STREAM: "true" });
    assert.equal(quiet.code, 0, quiet.output);
    has(quiet.output, /^not checked message, resume: the stream carries no message at present, which/m);
  });
});

test("gateways that answer everything and lose messages are found", async (t) => {
  const offset = 7;
  const envelope = { seq: 1, offset, ts: 1, type: "price:update", channel: "BTC.trade", data: 1 };
  const ack = { type: "subscription_ack", subscribed: ["global.trending", "*.trade"], count: 2 };
  const HEARTBEAT_ACK = { type: "heartbeat_ack", ts: 1, seq: 0, offset };
  type Answers = (socket: WebSocket, message: { type: string; since?: object }) => object[];
  const broken = async (expected: RegExp, answers: Answers) => {
    const port = await freePort();
    const server = new WebSocketServer({ port, host: "127.0.0.1" });
    t.after(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    server.on("connection", (socket) => {
      socket.send(JSON.stringify({ type: "welcome", instance: "x", epoch: "e", offset }));
      socket.on("message", (text) => {
        for (const answer of answers(socket, JSON.parse(String(text)))) socket.send(JSON.stringify(answer));
      });
    });
    const { code, output } = await smoke(`ws://127.0.0.1:${port}/ws`);
    assert.equal(code, 1, output);
    has(output, expected);
  };
  let connections = 0;
  await Promise.all([
    broken(/^FAILED message: expected an envelope within 3 s, received nothing/m, (_, { type }) =>
      type === "subscribe" ? [ack] : [HEARTBEAT_ACK],
    ),
    broken(/^FAILED resume: the gateway has lost the message with offset 7/m, (_, { since }) =>
      since ? [{ ...ack, recovered: false, replayed: 0 }] : [ack, envelope],
    ),
    broken(/^FAILED resume: expected the message with offset 7 again within 3 s/m, (_, { since }) =>
      since
        ? [
            { ...ack, recovered: true, replayed: 1 },
            { ...envelope, offset: 8 },
          ]
        : [ack, envelope],
    ),
    broken(/^FAILED resume: .*but the connection was closed with 1012/m, (socket, { type }) => {
      if (type === "subscribe") connections += 1;
      if (connections > 1) socket.close(1012);
      return [ack, envelope];
    }),
  ]);
});

describe("the TLS entrance with a certificate that Google issues", () => {
  const owner = suiteOwner();
  let running: Promise<Gateway> | undefined;
  const gateway = () => {
    running ??= startGateway(owner, { env: {} });
    return running;
  };

  /** Runs the smoke test with an entrance that refuses TLS handshakes, while Google answers with `reply`. */
  async function withReply(t: Owner, reply: Reply) {
    const refusing = await listen(t, createTlsServer({})); // answers with the alert handshake_failure
    const google = await fakeCompute(t, () => reply);
    const { url } = await gateway();
    const result = await smoke(url, {
      ODIN_SMOKE_SECURE_URL: `wss://127.0.0.1:${refusing}/ws`,
      ODIN_SMOKE_CERTIFICATE: CERTIFICATE,
      ODIN_CERTIFICATES_URL: google.url,
    });
    return { ...result, asked: google.asked };
  }

  test("an active certificate: an entrance that fails is a failure", async (t) => {
    const { code, output, asked } = await withReply(t, { body: { managed: { state: "ACTIVE" } } });
    assert.equal(code, 1, output);
    has(
      output,
      /^FAILED secure certificate: the certificate is ACTIVE, but clients cannot connect: .*Look at the DNS record/m,
    );
    has(output, /^ok message/m);
    assert.deepEqual(asked[0], {
      method: "GET",
      path: `/v1/${CERTIFICATE}`,
      body: undefined,
      authorization: undefined,
    });
  });

  test("a certificate that Google still issues: an entrance that fails is a warning", async (t) => {
    const { code, output } = await withReply(t, { body: { managed: { state: "PROVISIONING" } } });
    assert.equal(code, 0, output);
    has(output, /^warning secure entrance not checked: .*; the certificate is PROVISIONING$/m);
  });

  test("an answer of Google that says nothing about the certificate is a failure", async (t) => {
    const { code, output } = await withReply(t, { status: 403, body: { error: { message: "denied" } } });
    assert.equal(code, 1, output);
    has(output, /^FAILED secure certificate: HTTP 403: denied\. Look at the roles of this account/m);
  });
});

async function listen(owner: Owner, server: Server): Promise<number> {
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.close();
  });
  return port;
}
