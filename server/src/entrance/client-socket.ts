/**
 * The WebSocket of a client: the class of ws, with access to its compression and a hook before the close
 * frame.
 */

import { type RawData, WebSocket } from "ws";

/** The public part of ws's PerMessageDeflate that is used here; @types/ws does not have the class. */
interface PerMessageDeflate {
  params: { server_max_window_bits?: number } | null;
  cleanup(): void;
}

/** Handles everything that arrives on a socket. */
export interface SocketHandler {
  /** The client has sent something. */
  markAlive(): void;
  /** Returns whether the client may send a message or ping now. */
  admitMessage(): boolean;
  /** Handles a message. */
  handle(text: string): void;
  /** The connection is closing: nothing may be sent any more. */
  detach(): void;
}

/** A close frame without a code, or the orderly end of a stream over HTTP, which has no code. */
export const NO_CODE = 1005;
/** There was no close frame: the connection broke, or was cut. */
export const NO_FRAME = 1006;

/** Who ended a connection, and why. `network`: it broke without a close frame of either side. */
export interface Ending {
  code: number;
  reason: string;
  by: "gateway" | "client" | "network";
}

/** Passed to WebSocketServer as its option `WebSocket`. */
export class ClientSocket extends WebSocket {
  #handler: SocketHandler | undefined;
  #ending: Ending | undefined;

  /** Passes all messages, pings and pongs to this handler from now on. */
  setHandler(handler: SocketHandler): void {
    this.#handler = handler;
    this.on("message", onMessage);
    this.on("ping", onPing);
    this.on("pong", onPong);
    this.on("error", onError);
  }

  get handler(): SocketHandler | undefined {
    return this.#handler;
  }

  /** Also called by ws itself. In every case, nothing is sent after the close frame. */
  override close(code: number = NO_CODE, reason: string | Buffer = ""): void {
    this.#handler?.detach();
    // ws also calls this when the client's close frame has arrived. It keeps that fact in this field.
    const { _closeFrameReceived: isAnswer } = this as unknown as { _closeFrameReceived: boolean };
    this.#ending ??= { code, reason: String(reason), by: isAnswer ? "client" : "gateway" };
    if (code === NO_CODE) super.close();
    else super.close(code, reason);
  }

  /** Ends the connection without a close frame. */
  cut(reason: string): void {
    this.#ending ??= { code: NO_FRAME, reason, by: "gateway" };
    this.terminate();
  }

  /**
   * How the connection ended. A client that does not read does not answer the close frame either: ws then
   * reports 1006, but the code that the gateway has sent counts.
   *
   * @param code as ws reports it
   */
  ending(code: number): Ending {
    return this.#ending ?? { code, reason: "", by: code === NO_FRAME ? "network" : "client" };
  }

  /** ws has found an invalid frame, and closes the connection. */
  onInvalid(message: string): void {
    if (this.#ending?.reason === "") this.#ending.reason = message;
  }

  /** The negotiated permessage-deflate. ws keeps it in this field and has no public accessor. */
  get #deflate(): PerMessageDeflate | undefined {
    const { _extensions } = this as unknown as { _extensions: Record<string, PerMessageDeflate> };
    return _extensions["permessage-deflate"];
  }

  /**
   * LZ77 window of the client in bits, 9 to 15; 0 without compression, and for 8 bits, which zlib cannot use.
   */
  get deflateWindowBits(): number {
    const deflate = this.#deflate;
    if (deflate === undefined) return 0;
    const bits = deflate.params?.server_max_window_bits ?? 15;
    return bits === 8 ? 0 : bits;
  }

  /**
   * Frees the inflater of the last message, which ws would keep for the life of the connection (about 40 KB).
   * The next message does not need it, because the client compresses each message independently (no context
   * takeover).
   */
  freeInflater(): void {
    this.#deflate?.cleanup();
  }
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  const { handler } = this as ClientSocket;
  handler?.markAlive();
  (this as ClientSocket).freeInflater();
  // The protocol is text, so a binary message is answered like any message that is not JSON.
  handler?.handle(isBinary ? "" : data.toString());
}

function onPing(this: WebSocket): void {
  const { handler } = this as ClientSocket;
  if (handler?.admitMessage() === true) handler.markAlive();
}

function onPong(this: WebSocket): void {
  (this as ClientSocket).handler?.markAlive();
}

function onError(this: WebSocket, error: Error): void {
  (this as ClientSocket).onInvalid(error.message);
}
