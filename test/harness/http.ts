/**
 * Sends HTTP requests, each on a new connection, because a pooled connection to an earlier gateway would
 * confuse tests.
 */

import { type IncomingHttpHeaders, request } from "node:http";
import { text } from "node:stream/consumers";
import { DEADLINE_MS } from "./wait.ts";

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Sends one request, `GET` unless `method` says otherwise, and returns the complete answer. */
export function get(
  url: string,
  { headers = {}, method = "GET" }: { headers?: Record<string, string>; method?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, headers, method, signal: AbortSignal.timeout(DEADLINE_MS) });
    asked.once("error", reject);
    asked.once("response", (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    asked.end();
  });
}
