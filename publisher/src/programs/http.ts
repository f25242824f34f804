/**
 * The service's HTTP port: health, counts, metrics, and the rate, which may be changed while the service
 * runs.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { MAX_RATE } from "../market/market.ts";

/** Where the answers of the port come from. */
export interface ServiceAnswers {
  /** Why no events can be stored. Undefined: events can be stored. */
  unhealthy(): string | undefined;
  stats(): object;
  /** Prometheus' text format. */
  metrics(): Promise<string>;
  setRate(rate: number, seconds: number | undefined): void;
}

/** A request that is answered with an error. */
class RequestError extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

const MAX_BODY_BYTES = 1024;
const MAX_CONNECTIONS = 32; // further connections are closed, so that they take no descriptors from NATS
const REQUEST_TIMEOUT_MS = 10_000; // 10 s for a whole request to arrive
const KEEP_ALIVE_MS = 5_000; // 5 s
const MAX_SECONDS = 86_400; // 24 h
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const EXAMPLE = '{"rate": 30} or {"rate": 30, "seconds": 60}';

const bounded = (min: number, max: number) => {
  const error = `must be a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
};
const RATE = z.strictObject(
  { rate: bounded(0, MAX_RATE), seconds: bounded(0.1, MAX_SECONDS).optional() },
  {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `${issue.keys.map((key) => JSON.stringify(key)).join(", ")} is not a known field`
        : "must be an object",
  },
);

const METHODS: Readonly<Record<string, readonly string[]>> = {
  "/health": ["GET", "HEAD"],
  "/stats": ["GET", "HEAD"],
  "/metrics": ["GET", "HEAD"],
  "/rate": ["PUT", "POST"],
};

/** @throws RequestError that names every mistake */
function readRate(body: string): z.output<typeof RATE> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new RequestError(400, `the body is not JSON: send ${EXAMPLE}`);
  }
  const { data, error } = RATE.safeParse(value);
  if (data !== undefined) return data;
  const problems = error.issues.map(({ path, message }) => `${path.join(".") || "the body"} ${message}`);
  throw new RequestError(400, `${problems.join("; ")}: send ${EXAMPLE}`);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new RequestError(413, `the body has more than ${MAX_BODY_BYTES} bytes: send ${EXAMPLE}`, {
        Connection: "close",
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    ...headers,
  });
  response.end(`${JSON.stringify(body)}\n`);
}

async function answer(request: IncomingMessage, response: ServerResponse, answers: ServiceAnswers) {
  const path = (request.url ?? "").split("?")[0] ?? "";
  const methods = METHODS[path];
  if (methods === undefined) {
    throw new RequestError(404, `there is no ${path}: use ${Object.keys(METHODS).join(", ")}`);
  }
  if (!methods.includes(request.method ?? "")) {
    throw new RequestError(405, `${path} takes ${methods.join(" or ")}, not ${request.method}`, {
      Allow: methods.join(", "),
    });
  }
  switch (path) {
    case "/health": {
      const reason = answers.unhealthy();
      return reason === undefined
        ? send(response, 200, { status: "ok", reasons: [] })
        : send(response, 503, { status: "unavailable", reasons: [reason] });
    }
    case "/metrics": {
      const text = await answers.metrics();
      response.writeHead(200, { "Content-Type": METRICS_TYPE, "Cache-Control": "no-store" }).end(text);
      return;
    }
    case "/rate": {
      const { rate, seconds } = readRate(await readBody(request));
      answers.setRate(rate, seconds);
      return send(response, 200, answers.stats());
    }
    default:
      return send(response, 200, answers.stats());
  }
}

export class ServicePort {
  readonly #server: Server;

  constructor(answers: ServiceAnswers) {
    const options = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1000,
    };
    this.#server = createServer(options, (request, response) => {
      answer(request, response, answers).catch((error: unknown) => {
        if (response.headersSent) return response.destroy();
        const { status, message, headers } =
          error instanceof RequestError ? error : new RequestError(500, String(error));
        return send(response, status, { error: message }, headers);
      });
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    // requestTimeout does not limit the time in which a client reads the answer.
    this.#server.timeout = REQUEST_TIMEOUT_MS;
  }

  /**
   * Listens, and resolves with the port.
   *
   * @throws Error that says what to do when the port is not available
   */
  async listen(port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // The listener stays after the start, so that a later error of the server does not end the service.
    this.#server.on("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "is already in use" : `is not available (${error.message})`;
      reject(new Error(`PUBLISHER_PORT: port ${port} ${why}; set another port`));
    });
    this.#server.listen(port, resolve);
    await promise;
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
