import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { pino } from "pino";
import { closed } from "./admission.ts";
import { Entrance, type EntranceOptions } from "./entrance.ts";
import { KeysUnavailableError } from "./remote-keys.ts";

const options: EntranceOptions = {
  config: {
    WS_PATH: "/ws",
    WS_ALLOWED_ORIGINS: [],
    WS_TRUSTED_PROXIES: ["127.0.0.0/8"],
    WS_COMPRESSION: false,
    WS_MAX_MESSAGE_BYTES: 4096,
    WS_MAX_HANDSHAKE_WAIT_MS: 2000,
  },
  maxSockets: 100,
  verify: undefined,
  seats: { take: async () => 1, free: () => {} },
  admitted: () => assert.fail("every client is refused"),
  refused: () => {},
  page: ({ url }, response) => {
    if (url !== "/") return false;
    response.writeHead(200, { "Content-Length": 5 }).end("hello");
    return true;
  },
  log: pino({ enabled: false }),
};
const entrance = new Entrance(options);
entrance.setClosure("draining");

let hasKeys = true;
let isFull = false;
let isValid = false;
/** An entrance that requires tokens and accepts pages of one origin. */
const guarded = new Entrance({
  ...options,
  config: { ...options.config, WS_ALLOWED_ORIGINS: ["https://app.example"] },
  verify: async () => {
    if (!hasKeys) throw new KeysUnavailableError();
    if (!isValid) throw new Error("not valid");
    return { user: "u", expiresAt: 0, channels: undefined };
  },
  seats: { ...options.seats, take: async () => (isFull ? closed("connections") : 1) },
});

before(async () => {
  for (const { server } of [entrance, guarded]) {
    // No timeout: a connection that the server keeps open stays open on a slow machine too.
    server.keepAliveTimeout = 0;
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
});
after(() => {
  for (const { server } of [entrance, guarded]) {
    server.close();
    server.closeAllConnections();
  }
});

const TIMEOUT_MS = 30_000;

/**
 * Sends requests and returns all bytes until the server ends the connection. The client keeps its side open.
 */
async function answersTo(requests: string, { server } = entrance): Promise<string> {
  const socket = connect({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    allowHalfOpen: true,
  });
  socket.setTimeout(TIMEOUT_MS, () =>
    socket.destroy(new Error(`the connection stays open after ${requests}`)),
  );
  socket.write(requests);
  try {
    return await text(socket);
  } finally {
    socket.destroy();
  }
}

const get = (path: string, ...headers: string[]) =>
  `${[`GET ${path} HTTP/1.1`, "Host: gateway", "Connection: keep-alive", ...headers].join("\r\n")}\r\n\r\n`;

const upgrade = (path: string, ...headers: string[]) =>
  get(path, ...headers)
    .replace("keep-alive", "Upgrade")
    .replace("\r\n\r\n", "\r\nUpgrade: websocket\r\n\r\n");

const CASES: [what: string, request: string, status: number][] = [
  ["no upgrade", get("/ws"), 426],
  ["another path", get("/nothing"), 404],
  ["a page", get("/"), 200],
  ["an unknown expectation", get("/ws", "Expect: miracles"), 426],
  ["a refused upgrade", upgrade("/ws"), 503],
  ["bytes that are not HTTP", "hello\r\n\r\n", 400],
];

for (const [what, request, status] of CASES) {
  test(`${what}: ${status}, and the connection ends`, async () => {
    const answer = await answersTo(request);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(answer, /\r\nConnection: close\b/i, "so that no proxy keeps the connection for later");
  });
}

test("an answer without upgrade names the protocol in hop-by-hop headers", async () => {
  const answer = await answersTo(get("/ws"));
  assert.match(answer, /\r\nUpgrade: websocket\r\n/);
  assert.match(answer, /\r\nConnection: close, Upgrade\r\n/);
});

test("a second request on the same connection gets no answer", async () => {
  const answers = await answersTo(get("/ws") + get("/ws"));
  assert.equal(answers.match(/HTTP\/1\.1 /g)?.length, 1);
});

/**
 * Returns Retry-After as a page's plain request sees it: undefined when the page may not read it, null when
 * it is missing.
 */
function visibleRetryAfter(answer: string, origin: string): string | null | undefined {
  const header = (name: string) =>
    new RegExp(`\\r\\n${name}: ([^\\r]*)\\r\\n`, "i").exec(answer)?.[1] ?? null;
  const allowed = header("Access-Control-Allow-Origin");
  if (allowed !== "*" && allowed !== origin) return undefined;
  assert.equal(header("Access-Control-Expose-Headers"), "Retry-After");
  assert.equal(header("Cache-Control"), "no-store");
  return header("Retry-After");
}

test("an answer without upgrade reports for how long all clients are refused", async () => {
  const app = "https://app.example";
  const ask = async (path = "/ws") =>
    visibleRetryAfter(await answersTo(get(path, `Origin: ${app}`), guarded), app);
  assert.equal(await ask(), null);
  for (const reason of ["draining", "connections", "cpu", "memory"] as const) {
    guarded.setClosure(reason);
    assert.equal(await ask(), String(closed(reason).retryAfter), reason);
    assert.equal(await ask("/nothing"), undefined, "another path reports nothing");
  }
  guarded.setClosure(undefined);
  assert.equal(await ask(), null);
});

test("so does one after a refusal without a free seat or keys, until its time ends or a client is accepted", async (t) => {
  const now = t.mock.method(performance, "now", () => 1_000_000);
  const app = "https://app.example";
  const ask = async () => visibleRetryAfter(await answersTo(get("/ws", `Origin: ${app}`), guarded), app);
  const come = () => answersTo(upgrade("/ws?auth=token", `Origin: ${app}`), guarded);
  assert.match(await come(), /^HTTP\/1.1 401 /);
  assert.equal(await ask(), null, "an invalid token concerns only its bearer");
  hasKeys = false;
  assert.match(await come(), /^HTTP\/1.1 503 [\s\S]*\r\nRetry-After: 5\r\n/);
  assert.equal(await ask(), "5");
  now.mock.mockImplementation(() => 1_005_000);
  assert.equal(await ask(), null);
  isValid = hasKeys = isFull = true;
  assert.match(await come(), /^HTTP\/1.1 503 [\s\S]*\r\nRetry-After: 10\r\n/);
  assert.equal(await ask(), "10");
  isFull = false;
  await come(); // Accepted, although this WebSocket handshake is not complete.
  assert.equal(await ask(), null);
});

test("pages of other origins cannot read Retry-After", async () => {
  guarded.setClosure("draining");
  for (const header of ["Origin: https://evil.example", "Origin: null", "X: y"]) {
    const answer = await answersTo(get("/ws", header), guarded);
    assert.doesNotMatch(answer, /Access-Control/i, header);
  }
  guarded.setClosure(undefined);
});

test("when all origins may connect, all may read Retry-After", async () => {
  const answer = await answersTo(get("/ws", "Origin: https://any.example"));
  assert.equal(visibleRetryAfter(answer, "https://any.example"), "5");
});

test("the answer to an upgrade and what the gateway says first arrive together", async (t) => {
  const welcome = Buffer.from("\x81\x05hello");
  const open = new Entrance({
    ...options,
    // As a connection does: at the end of the turn.
    admitted: ({ socket }) => void setImmediate(() => socket.write(welcome)),
  });
  open.server.listen(0, "127.0.0.1");
  await once(open.server, "listening");
  const { port } = open.server.address() as AddressInfo;
  const client = connect({ port, host: "127.0.0.1" });
  t.after(() => {
    client.destroy();
    open.server.close();
  });
  client.write(
    "GET /ws HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  const [first] = (await once(client, "data")) as [Buffer];
  const text = first.toString("latin1");
  assert.ok(text.startsWith("HTTP/1.1 101"), text);
  assert.ok(text.endsWith("hello"), text);
});
