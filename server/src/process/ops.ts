/** The operations port, for the load balancer, autohealing, Prometheus and people. */

import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SocketBound } from "../entrance/socket-bound.ts";
import { atMostEvery, type Log } from "../log.ts";

export interface OpsAnswers {
  /** Reasons for which `/health` fails; empty when new connections are wanted. */
  unhealthy: () => string[];
  /** Further fields in the body of `/health`. */
  health: () => object;
  /** Prometheus text format. */
  metrics: () => Promise<string>;
  stats: () => Promise<object>;
}

/** Time for a request to arrive, so that a slow client does not hold a socket. */
const REQUEST_TIMEOUT_MS = 5000;
const WARN_INTERVAL_MS = 60_000;
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export class OpsServer {
  readonly #server: Server;

  /** `maxSockets`: largest number of sockets. */
  constructor(answers: OpsAnswers, log: Log, maxSockets: number) {
    const options = {
      keepAliveTimeout: 5000,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1000,
    };
    this.#server = createServer(options, (request, response) => {
      answer(request.url ?? "", response, answers).catch((error: unknown) => {
        log.error({ err: error, url: request.url }, "an operations request failed");
        if (!response.headersSent) send(response, 500, { error: (error as Error).message });
      });
    });
    const warn = (problem: string) => atMostEvery(WARN_INTERVAL_MS, (count) => log.warn({ count }, problem));
    new SocketBound(this.#server, {
      max: maxSockets,
      onRefused: warn("the operations port has too many connections"),
      onError: warn("the operations port could not accept connections"),
    });
  }

  /** Resolves with the port; rejects when the port is not available. */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, () => {
        this.#server.off("error", reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function answer(url: string, response: ServerResponse, answers: OpsAnswers): Promise<void> {
  switch (url.split("?")[0]) {
    case "/health": {
      const reasons = answers.unhealthy();
      return send(response, reasons.length === 0 ? 200 : 503, {
        status: reasons.length === 0 ? "ok" : "unavailable",
        reasons,
        ...answers.health(),
      });
    }
    case "/live":
      return send(response, 200, { status: "ok" });
    case "/metrics":
      response.writeHead(200, { "Content-Type": METRICS_TYPE }).end(await answers.metrics());
      return;
    case "/stats":
      return send(response, 200, await answers.stats());
    default:
      return send(response, 404, { error: "not found", paths: ["/health", "/live", "/metrics", "/stats"] });
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}
