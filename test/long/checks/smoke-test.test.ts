import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import type { Server } from "node:net";
import { describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { type WebSocket, WebSocketServer } from "ws";
import { runChild } from "../../../tools/testing/child.ts";
import { fakeCompute } from "../../checks/fake-compute.ts";
import { type Env, type Gateway, startGateway } from "../../harness/gateway.ts";
import { type Owner, suiteOwner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";
import { issue, newIssuer } from "../../harness/tokens.ts";

const SMOKE = fileURLToPath(new URL("../../../checks/smoke-test.ts", import.meta.url));
const SECRET = "a secret of the tests, 32 bytes or more";
const SERVICE = "projects/p/regions/r/backendServices/odin-clients";
const GROUP = "https://www.googleapis.com/compute/v1/projects/p/regions/r/instanceGroups/odin-gateways";
const QUICK = { ODIN_SMOKE_DEADLINE_SECONDS: "1" }; // one attempt: these failures do not pass by themselves

/** Runs the smoke test as a person or the rollout gate does, with only this environment. */
async function smoke(env: Env, ...args: string[]) {
  const { code, output } = await runChild(process.execPath, [SMOKE, ...args], {
    capture: true,
    env: { PATH: process.env.PATH, HOME: "/nonexistent", ...env },
  });
  return { code, output, lines: output.trim().split("\n") };
}

const has = (output: string, pattern: RegExp) => assert.match(output, pattern);

describe("with a gateway without authentication", () => {
  const owner = suiteOwner();
  let running: Promise<Gateway> | undefined;
  const gateway = () => {
    running ??= startGateway(owner, { env: { WS_ALLOWED_ORIGINS: "https://app.example.com" } });
    return running;
  };

  test("reports every step in a line and succeeds", async () => {
    const { url } = await gateway();
    const { code, lines, output } = await smoke({}, url, "--origin", "https://app.example.com");
    assert.equal(code, 0, output);
    assert.deepEqual(
      lines.map((line) => line.replace(/\d+ ms/, "N ms").replace(/: (instance|envelope).*/, ": …")).sort(),
      [
        "not checked health: give --backend-service and --group to ask the load balancer",
        "ok connect N ms",
        "ok message N ms: …",
        "ok resume N ms: the same message on a second connection",
        "ok subscribe N ms",
        "ok welcome N ms: …",
      ],
      output,
    );
  });

  test("fails with an origin that is not allowed, and says where to look", async () => {
    const { url } = await gateway();
    const { code, output } = await smoke({
      ...QUICK,
      ODIN_SMOKE_URL: url,
      ODIN_SMOKE_ORIGIN: "https://evil.example.com",
    });
    assert.equal(code, 1, output);
    has(output, /^FAILED connect: refused with HTTP 403 .*origin.*\. Look at allowedOrigins/m);
  });

  test("fails when the gateway should require tokens but does not", async () => {
    const { url } = await gateway();
    const origin = ["--origin", "https://app.example.com"];
    const secret = await smoke({ ...QUICK, ODIN_SMOKE_JWT_SECRET: SECRET }, url, ...origin);
    assert.equal(secret.code, 1, secret.output);
    has(secret.output, /^FAILED refusal: connected without a token, expected to be refused with HTTP 401/m);
    const required = await smoke(QUICK, url, ...origin, "--auth", "jwt");
    assert.equal(required.code, 1, required.output);
    has(required.output, /^FAILED connect: connected without a token, expected/m);
  });

  test("asks the load balancer for the health of all instances until they are healthy", async (t) => {
    const { url } = await gateway();
    const health = (...states: string[]) => ({
      body: {
        healthStatus: states.map((healthState, n) => ({
          instance: `https://x/zones/z/instances/odin-${n}`,
          healthState,
        })),
      },
    });
    const env = {
      ODIN_SMOKE_URL: url,
      ODIN_SMOKE_ORIGIN: "https://app.example.com",
      ODIN_SMOKE_BACKEND_SERVICE: SERVICE,
      ODIN_SMOKE_GROUP: GROUP,
    };
    const late = await fakeCompute(
      t,
      (_, before) => [{ body: {} }, health("HEALTHY", "UNHEALTHY")][before] ?? health("HEALTHY", "HEALTHY"),
    );
    const passed = await smoke({ ...env, ODIN_COMPUTE_URL: late.url, ODIN_SMOKE_DEADLINE_SECONDS: "30" });
    assert.equal(passed.code, 0, passed.output);
    has(passed.output, /^again health: the load balancer sees no instance/m);
    has(
      passed.output,
      /^again health: 1 of 2 instances: odin-1 is UNHEALTHY, expected HEALTHY\. Look at port 3002/m,
    );
    has(passed.output, /^ok health \d+ ms: all of 2 instances are HEALTHY$/m);
    assert.deepEqual(late.asked[0], {
      method: "POST",
      path: `/compute/v1/${SERVICE}/getHealth`,
      body: { group: GROUP },
      authorization: undefined,
    });
    assert.equal(late.asked.length, 3);

    const never = await fakeCompute(t, () => health("HEALTHY", "TIMEOUT"));
    const failed = await smoke({ ...env, ...QUICK, ODIN_COMPUTE_URL: never.url });
    assert.equal(failed.code, 1, failed.output);
    has(failed.output, /^FAILED health: 1 of 2 instances: odin-1 is TIMEOUT/m);
    has(failed.output, /^ok message/m);

    const denied = await fakeCompute(t, () => ({
      status: 403,
      body: { error: { message: "permission denied" } },
    }));
    const forbidden = await smoke({ ...env, ...QUICK, ODIN_COMPUTE_URL: denied.url });
    assert.equal(forbidden.code, 1, forbidden.output);
    has(forbidden.output, /^FAILED health: HTTP 403: permission denied\. Look at the roles/m);
  });

  test("the TLS entrance: not ready yet is a warning unless it is required, a wrong answer is a failure", async (t) => {
    const { url } = await gateway();
    const env = { ...QUICK, ODIN_SMOKE_URL: url, ODIN_SMOKE_ORIGIN: "https://app.example.com" };
    const noCertificate = await listen(t, createTlsServer({})); // answers with the alert handshake_failure
    const secure = `wss://127.0.0.1:${noCertificate}/ws`;
    const warned = await smoke({ ...env, ODIN_SMOKE_SECURE_URL: secure });
    assert.equal(warned.code, 0, warned.output);
    has(warned.output, /^warning secure entrance not checked: no valid certificate yet \(\w+/m);
    const required = await smoke({
      ...env,
      ODIN_SMOKE_SECURE_URL: secure,
      ODIN_SMOKE_SECURE_REQUIRED: "true",
    });
    assert.equal(required.code, 1, required.output);
    has(required.output, /^FAILED secure connect: /m);
    const unknown = await smoke({ ...env, ODIN_SMOKE_SECURE_URL: "wss://no-such-name.invalid/ws" });
    assert.equal(unknown.code, 0, unknown.output);
    has(unknown.output, /^warning secure entrance not checked: the name is not in the DNS yet/m);
    const refused = await smoke({ ...env, ODIN_SMOKE_SECURE_URL: `wss://127.0.0.1:${await freePort()}/ws` });
    assert.equal(refused.code, 1, refused.output);
    has(refused.output, /^FAILED secure connect: .*ECONNREFUSED/m);
  });
});

describe("with a gateway that requires tokens", () => {
  const owner = suiteOwner();
  let running: Promise<Gateway> | undefined;
  const gateway = () => {
    running ??= startGateway(owner, { env: { AUTH_MODE: "jwt", JWT_SECRET: SECRET } });
    return running;
  };

  test("makes a token from the secret, checks that a token is required, and prints neither", async () => {
    const { url } = await gateway();
    const { code, output } = await smoke({ ODIN_SMOKE_JWT_SECRET: SECRET }, url);
    assert.equal(code, 0, output);
    has(output, /^ok message/m);
    has(output, /^ok refusal \d+ ms: 401 without a token$/m);
    assert.ok(!output.includes(SECRET) && !output.includes("eyJ"), output);
  });

  test("uses a given token unchanged", async () => {
    const { url } = await gateway();
    const token = await issue(SECRET, { sub: "person", channels: ["*.*"] });
    const { code, output } = await smoke({ ODIN_SMOKE_TOKEN: token }, url);
    assert.equal(code, 0, output);
    assert.ok(!output.includes(token), output);
    const narrow = await issue(SECRET, { sub: "person", channels: ["BTC.trade"] });
    const forbidden = await smoke({ ...QUICK, ODIN_SMOKE_TOKEN: narrow }, url);
    assert.equal(forbidden.code, 1, forbidden.output);
    has(
      forbidden.output,
      /^FAILED subscribe: expected subscription_ack within \d+ s, received: 1 × error forbidden_channel/m,
    );
  });

  test("fails with another secret", async () => {
    const { url } = await gateway();
    const wrong = "another secret, which is also long enough";
    const { code, output } = await smoke({ ...QUICK, ODIN_SMOKE_JWT_SECRET: wrong }, url);
    assert.equal(code, 1, output);
    has(output, /^FAILED connect: refused with HTTP 401 .*\. Look at the secret or the token/m);
    assert.ok(!output.includes(wrong), output);
  });

  test("without secret and token it checks the refusal and reports what it did not check", async () => {
    const { url } = await gateway();
    const { code, output } = await smoke({ ODIN_SMOKE_AUTH: "jwt" }, url);
    assert.equal(code, 0, output);
    has(output, /^ok connect \d+ ms: refused with 401, as it must be without a token$/m);
    has(output, /^not checked subscribe, message: the gateways require a token/m);
    const none = await smoke({ ...QUICK, ODIN_SMOKE_AUTH: "none" }, url);
    assert.equal(none.code, 1, none.output);
    has(none.output, /^FAILED connect: refused with HTTP 401/m);
  });
});

test("a gateway that checks tokens with a public key refuses a connection without a token", async (t) => {
  const { publicKey } = await newIssuer("ES256");
  const { url } = await startGateway(t, { env: { AUTH_MODE: "jwt", JWT_PUBLIC_KEY: publicKey } });
  const { code, output } = await smoke({}, url);
  assert.equal(code, 0, output);
  has(output, /^not checked subscribe, message/m);
});

test("fails within the deadline when the gateway is down", async () => {
  const start = Date.now();
  const { code, output } = await smoke(
    { ODIN_SMOKE_DEADLINE_SECONDS: "5" },
    `ws://127.0.0.1:${await freePort()}/ws`,
  );
  assert.equal(code, 1, output);
  has(output, /^again connect: .*ECONNREFUSED/m);
  has(output, /^FAILED connect: .*ECONNREFUSED.*\. Look at the address, the forwarding rule/m);
  assert.ok(Date.now() - start < 15_000, "bounded");
});

test("succeeds when the gateway starts before the deadline", async (t) => {
  const port = await freePort();
  const run = smoke({ ODIN_SMOKE_DEADLINE_SECONDS: "60" }, `ws://127.0.0.1:${port}/ws`);
  await new Promise((resolve) => setTimeout(resolve, 2500)); // ms: its first attempt has failed by then
  await startGateway(t, { env: { WS_PORT: String(port) } });
  const { code, output } = await run;
  assert.equal(code, 0, output);
  has(output, /^ok message/m);
});

test("fails with servers that answer wrongly: no welcome, no acknowledgement, a close, a web page", async (t) => {
  const welcome = JSON.stringify({ type: "welcome", instance: "x" });
  const wrong = async (expected: RegExp, onConnection: (socket: WebSocket) => void) => {
    const port = await freePort();
    const server = new WebSocketServer({ port, host: "127.0.0.1" });
    t.after(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    server.on("connection", onConnection);
    const { code, output } = await smoke(QUICK, `ws://127.0.0.1:${port}/ws`);
    assert.equal(code, 1, output);
    has(output, expected);
  };
  await wrong(
    /^FAILED welcome: expected welcome within 3 s, received nothing\. Look at what answers/m,
    () => {},
  );
  await wrong(/^FAILED welcome: .*received: 1 × not JSON text/m, (socket) => socket.send("hello"));
  await wrong(
    /^FAILED subscribe: expected subscription_ack within 3 s, received: 2 × envelope\. Look at the log/m,
    (socket) => {
      socket.send(welcome);
      for (const seq of [1, 2]) socket.send(JSON.stringify({ seq, channel: "a.trade", type: "welcome" }));
    },
  );
  await wrong(/^FAILED subscribe: .*but the connection was closed with 1012 bye/m, (socket) => {
    socket.send(welcome);
    socket.on("message", () => socket.close(1012, "bye"));
  });
  await wrong(/^FAILED subscribe: subscription_ack without \*\.trade/m, (socket) => {
    socket.send(welcome);
    socket.on("message", () =>
      socket.send(JSON.stringify({ type: "subscription_ack", subscribed: ["global.trending"] })),
    );
  });
  const page = await listen(
    t,
    createServer((_request, response) => response.end("<html>")),
  );
  const { code, output } = await smoke(QUICK, `ws://127.0.0.1:${page}/ws`);
  assert.equal(code, 1, output);
  has(output, /^FAILED connect: refused with HTTP 200 <html>\. Look at the backend/m);
});

test("wrong arguments are reported all at once, with the usage", async () => {
  const { code, output } = await smoke(
    { ODIN_SMOKE_DEADLINE_SECONDS: "soon", ODIN_SMOKE_AUTH: "maybe", ODIN_SMOKE_GROUP: GROUP },
    "http://127.0.0.1:3004/ws",
  );
  assert.equal(code, 2);
  for (const mistake of [
    /^URL must be ws:/m,
    /^ODIN_SMOKE_DEADLINE_SECONDS must be a number from/m,
    /^ODIN_SMOKE_AUTH must be one of jwt, none/m,
    /must be given together/,
    /^npm run smoke -- --help/m,
  ])
    has(output, mistake);
  assert.equal((await smoke({})).code, 2);
  const token = await smoke({}, "ws://127.0.0.1:3004/ws?auth=abc");
  assert.equal(token.code, 2);
  assert.ok(!token.output.includes("abc"));
  assert.equal((await smoke({}, "--nonsense")).code, 2);
  assert.equal((await smoke({}, "--help")).code, 0);
});

async function listen(owner: Owner, server: Server): Promise<number> {
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.close();
  });
  return port;
}
