/** A proxy for HTTP in front of a gateway, which breaks WebSockets and streams as proxies in offices do. */

import { createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import type { Gateway } from "../harness/gateway.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";

/** Time between two bunches. */
const BUNCH_MS = 2000;

export class HttpProxy {
  /** What happens to a WebSocket: `swallow` never answers. */
  upgrades: "pass" | "refuse" | "swallow" = "refuse";
  /**
   * What happens to a stream: `hold` passes it on when it ends; `bunch` passes on the first bytes at once,
   * and the others every 2 s.
   */
  streams: "pass" | "hold" | "bunch" = "pass";
  /** Requests of each kind so far, and addresses of WebSockets that were passed on. */
  readonly count = { upgrades: 0, polls: 0, streams: 0 };
  readonly passed: string[] = [];
  /** Addresses of the polls. */
  readonly polled: string[] = [];
  readonly port: number;
  readonly #gateway: Pick<Gateway, "wsPort">;

  constructor(gateway: Pick<Gateway, "wsPort">, port: number) {
    this.#gateway = gateway;
    this.port = port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  readonly forward = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = "GET", url = "/", headers } = request;
    const isStream = url.startsWith("/events");
    if (isStream) this.count.streams++;
    if (url.startsWith("/poll")) {
      this.count.polls++;
      this.polled.push(url);
    }
    const forwarded = send({ port: this.#gateway.wsPort, method, path: url, headers }, (answer) => {
      const begin = () => response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (isStream && this.streams === "hold") {
        const parts: Buffer[] = [];
        answer.on("data", (part: Buffer) => parts.push(part));
        answer.once("end", () => begin().end(Buffer.concat(parts)));
      } else if (isStream && this.streams === "bunch") {
        begin();
        answer.once("data", (first: Buffer) => {
          response.write(first);
          const parts: Buffer[] = [];
          answer.on("data", (part: Buffer) => parts.push(part));
          const timer = setInterval(() => response.write(Buffer.concat(parts.splice(0))), BUNCH_MS);
          answer.once("close", () => clearInterval(timer));
        });
      } else {
        begin();
        answer.pipe(response);
      }
    });
    response.once("close", () => forwarded.destroy());
    forwarded.on("error", () => response.destroy());
    request.pipe(forwarded);
  };

  readonly upgrade = (request: IncomingMessage, socket: Duplex): void => {
    this.count.upgrades++;
    socket.on("error", () => socket.destroy());
    if (this.upgrades === "refuse") socket.destroy();
    if (this.upgrades !== "pass") return;
    this.passed.push(request.url ?? "");
    const upstream = connectTcp(this.#gateway.wsPort, "127.0.0.1");
    const { rawHeaders: raw } = request;
    const lines = raw.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${raw[index + 1]}`] : []));
    upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
  };
}

/** Starts the proxy. At first it refuses WebSockets, and passes everything else. */
export async function startHttpProxy(owner: Owner, gateway: Pick<Gateway, "wsPort">): Promise<HttpProxy> {
  const proxy = new HttpProxy(gateway, await freePort());
  const sockets = new Set<Duplex>();
  const server = createServer(proxy.forward);
  server.on("upgrade", proxy.upgrade);
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(proxy.port, "127.0.0.1", resolve));
  owner.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return proxy;
}
