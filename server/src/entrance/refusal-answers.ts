/** What a refused client is answered: the status, the reason as JSON, and how long to wait. */

import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Refusal } from "./admission.ts";

/** Answers a request over HTTP. */
export function answerRequest(response: ServerResponse, refusal: Refusal): void {
  const { status, retryAfter } = refusal;
  // The next request may then reach another gateway.
  response.shouldKeepAlive = false;
  if (retryAfter !== undefined) response.setHeader("Retry-After", retryAfter);
  response
    .writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" })
    .end(bodyOf(refusal));
}

/** Answers the request for a WebSocket, and ends its socket. */
export function answerUpgrade(socket: Socket, refusal: Refusal): void {
  const { status, retryAfter } = refusal;
  const body = bodyOf(refusal);
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
  ];
  socket.once("finish", () => socket.destroy());
  socket.end(`${headers.join("\r\n")}\r\n\r\n${body}`);
}

function bodyOf({ reason, message }: Refusal): string {
  return `${JSON.stringify({ error: reason, message })}\n`;
}
