import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { pino } from "pino";
import { Entrance } from "./entrance.ts";

const entrance = new Entrance({
  config: {
    WS_PATH: "/ws",
    WS_ALLOWED_ORIGINS: [],
    WS_TRUSTED_PROXIES: ["127.0.0.0/8"],
    WS_COMPRESSION: false,
    WS_MAX_CONNECTIONS: 10,
    WS_MAX_MESSAGE_BYTES: 4096,
  },
  verify: undefined,
  seats: { take: async () => undefined, free: () => {} },
  closure: () => "draining",
  admitted: () => assert.fail("nobody is let in"),
  refused: () => {},
  page: ({ url }, response) => {
    if (url !== "/") return false;
    response.writeHead(200, { "Content-Length": 5 }).end("hello");
    return true;
  },
  log: pino({ enabled: false }),
});

before(async () => {
  entrance.server.keepAliveTimeout = 0; // none: a connection that is kept stays open, however slow this machine is
  entrance.server.listen(0, "127.0.0.1");
  await once(entrance.server, "listening");
});
after(() => {
  entrance.server.close();
  entrance.server.closeAllConnections();
});

const PATIENCE_MS = 30_000;

/** All that comes until the server ends the connection, which the client leaves open. */
async function answersTo(requests: string): Promise<string> {
  const socket = connect({
    port: (entrance.server.address() as AddressInfo).port,
    host: "127.0.0.1",
    allowHalfOpen: true,
  });
  socket.setTimeout(PATIENCE_MS, () =>
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

const CASES: [what: string, request: string, status: number][] = [
  ["no upgrade", get("/ws"), 426],
  ["another path", get("/nothing"), 404],
  ["a page", get("/"), 200],
  ["an unknown expectation", get("/ws", "Expect: miracles"), 426],
  [
    "a refused upgrade",
    get("/ws").replace("keep-alive", "Upgrade").replace("\r\n\r\n", "\r\nUpgrade: websocket\r\n\r\n"),
    503,
  ],
  ["what is no HTTP", "hello\r\n\r\n", 400],
];

for (const [what, request, status] of CASES) {
  test(`${what}: ${status}, and the connection ends`, async () => {
    const answer = await answersTo(request);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(answer, /\r\nConnection: close\b/i, "so that no proxy keeps it for later");
  });
}

test("an answer without upgrade names the protocol as one that is for this hop alone", async () => {
  const answer = await answersTo(get("/ws"));
  assert.match(answer, /\r\nUpgrade: websocket\r\n/);
  assert.match(answer, /\r\nConnection: close, Upgrade\r\n/);
});

test("a second request on the same connection gets no answer", async () => {
  const answers = await answersTo(get("/ws") + get("/ws"));
  assert.equal(answers.match(/HTTP\/1\.1 /g)?.length, 1);
});
