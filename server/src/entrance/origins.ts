/** Which pages may connect, and the headers that let their scripts read answers over HTTP (CORS). */

import type { IncomingMessage, ServerResponse } from "node:http";

type Request = Pick<IncomingMessage, "headers">;

export class Origins {
  readonly #allowed: readonly string[];

  /** `allowed`: origins such as `https://app.example`; empty: pages of all origins may connect. */
  constructor(allowed: readonly string[]) {
    this.#allowed = allowed;
  }

  allow({ headers: { origin = "" } }: Request): boolean {
    return this.#allowed.length === 0 || this.#allowed.includes(origin);
  }

  /** Returns the headers of an answer to this request. */
  headers(request: Request): Record<string, string> {
    const { origin = "" } = request.headers;
    return {
      Vary: "Origin",
      ...(this.allow(request) && {
        "Access-Control-Allow-Origin": this.#allowed.length > 0 ? origin : "*",
        "Access-Control-Expose-Headers": "Retry-After",
      }),
    };
  }
}

/** Answers the question of a browser whether a page may send its request. */
export function answerPreflight(response: ServerResponse): void {
  response
    .writeHead(204, {
      "Access-Control-Allow-Methods": "GET",
      "Access-Control-Allow-Headers": "Authorization, If-None-Match, Last-Event-ID",
      "Access-Control-Max-Age": 86_400,
    })
    .end();
}
