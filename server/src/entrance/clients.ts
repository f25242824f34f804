/** The clients that the entrance has accepted, as it passes them on. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Applicant, Refusal } from "./admission.ts";
import type { Identity } from "./auth.ts";
import type { ClientSocket } from "./client-socket.ts";

/** A client that may connect. */
export interface AcceptedClient {
  seat: number;
  identity: Identity | undefined;
  /** The address of the client. */
  ip: string;
  /**
   * Ids of the dictionaries that the client has kept; undefined when the client did not ask for the compact
   * encoding.
   */
  dictionaries: ReadonlySet<string> | undefined;
}

/** A client whose connection was upgraded. */
export interface AdmittedClient extends AcceptedClient {
  ws: ClientSocket;
  socket: Socket;
}

/** A request over HTTP of a client that was accepted. */
export interface HttpClient {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  identity: Identity | undefined;
  ip: string;
  /** 0 for an endpoint whose clients take no seat. */
  seat: number;
}

/** How a client over HTTP receives: by polls, or by a stream of server-sent events. */
export type Transport = "poll" | "events";

/** Serves a path to clients with the same tokens, origins and limits as the WebSocket. */
export interface HttpEndpoint {
  transport: Transport;
  /** Whether each client takes a seat, which must be freed later. */
  takesSeat: boolean;
  serve(client: HttpClient): Promise<void>;
  /** Called for each client that was refused before it was served. */
  refused?(applicant: Applicant, refusal: Refusal): void;
}
