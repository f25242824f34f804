import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { type TestContext, test } from "node:test";
import { Line, Route } from "./line.ts";
import { fetchOver } from "./line-fetch.ts";

async function listen(t: TestContext, server: Server, port = 0): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** The error of a connection on this line; "" when it is open. */
async function outcomeOf(line: Line): Promise<string> {
  const socket = line.dial();
  try {
    await once(socket, "connect");
    return "";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  } finally {
    socket.destroy();
  }
}

test("a line answers for a server that is gone until the route changes", async (t) => {
  const gone = createServer();
  const port = await listen(t, gone);
  gone.close();
  await once(gone, "close");
  const route = new Route();
  route.ports = [port];
  const lines = [new Line(0, route), new Line(1, route)] as const;
  assert.equal(await outcomeOf(lines[0]), "ECONNREFUSED");
  assert.equal(await outcomeOf(lines[1]), "refused");
  await listen(t, createServer(), port);
  assert.equal(await outcomeOf(lines[1]), "refused");
  route.ports = [port];
  assert.equal(await outcomeOf(lines[1]), "");
});

test("a cut ends all connections of a line, and refuses new ones until the line is back", async (t) => {
  const route = new Route();
  route.ports = [
    await listen(
      t,
      createServer((socket) => socket.on("error", () => {})),
    ),
  ];
  const line = new Line(0, route);
  const sockets = [line.dial(), line.dial()];
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const closed = Promise.all(sockets.map((socket) => once(socket, "close")));
  line.cut();
  await closed;
  assert.equal(await outcomeOf(line), "the line is away");
  line.back();
  assert.equal(await outcomeOf(line), "");
});

test("requests on a line have the answers of its server, and fail when they are aborted", async (t) => {
  const server = createServer((socket) => {
    socket.once("data", (request) => {
      if (request.includes("GET /silent ")) return;
      socket.end("HTTP/1.1 426 Upgrade Required\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno");
    });
  });
  const route = new Route();
  route.ports = [await listen(t, server)];
  const fetch = fetchOver(new Line(0, route));
  const answer = await fetch("http://gateway/ws?a=b");
  assert.deepEqual([answer.status, answer.headers.get("Retry-After"), await answer.text()], [426, "7", "no"]);
  const asking = new AbortController();
  const silent = fetch("http://gateway/silent", { signal: asking.signal });
  setTimeout(() => asking.abort(), 50);
  await assert.rejects(silent);
});
