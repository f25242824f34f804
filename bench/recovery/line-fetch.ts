/** Requests over HTTP on a line, for the client library: GET without a body, as `fetch` answers it. */

import { get, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Line } from "./line.ts";

/** Answers with these have no body. */
const NO_BODY: readonly unknown[] = [204, 304];

/** Returns a function like `fetch`, whose requests reach the server of new connections of this line. */
export function fetchOver(line: Line): typeof fetch {
  return (input, init) =>
    new Promise((resolve, reject) => {
      const { pathname, search } = new URL(String(input));
      const { signal } = init ?? {};
      const socket = line.dial();
      const abort = () => socket.destroy(new Error("aborted"));
      signal?.addEventListener("abort", abort);
      socket.on("error", reject);
      socket.once("close", () => signal?.removeEventListener("abort", abort));
      // A server that is gone refuses thousands of connections, so a request is made only when one is there.
      socket.once("connect", () => {
        const request = get({ host: "127.0.0.1", path: pathname + search, createConnection: () => socket });
        request.on("error", reject);
        request.once("response", (answer) => resolve(responseOf(answer)));
      });
    });
}

function responseOf(answer: IncomingMessage): Response {
  const headers = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  const status = answer.statusCode as number;
  const body = NO_BODY.includes(status) ? null : (Readable.toWeb(answer) as ReadableStream<Uint8Array>);
  if (body === null) answer.resume();
  return new Response(body, { status, headers });
}
