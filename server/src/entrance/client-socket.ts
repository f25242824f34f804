/** The WebSocket of a client, as ws makes it, with the two things that ws does not offer: see below. */

import { type RawData, WebSocket } from "ws";

/** The public part of ws's PerMessageDeflate that is used here; @types/ws does not have the class. */
interface PerMessageDeflate {
  params: { server_max_window_bits?: number } | null;
  cleanup(): void;
}

/** Who looks after what a socket brings. */
export interface SocketHandler {
  /** The client shows that it is there. */
  markAlive(): void;
  /** Asks whether the client may send now. */
  admitMessage(): boolean;
  handle(text: string): void;
  /** The closing has begun: nothing may be sent any more. */
  detach(): void;
}

/** Given to WebSocketServer as its `WebSocket` option. */
export class ClientSocket extends WebSocket {
  #handler: SocketHandler | undefined;

  /** From now on what comes is the handler's. */
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

  /** Whoever ends it, the client, ws or the gateway: nothing is sent after the close frame. */
  override close(code?: number, reason?: string | Buffer): void {
    this.#handler?.detach();
    super.close(code, reason);
  }

  /** What was negotiated for permessage-deflate. ws keeps it here and has no accessor for it. */
  get #deflate(): PerMessageDeflate | undefined {
    const { _extensions } = this as unknown as { _extensions: Record<string, PerMessageDeflate> };
    return _extensions["permessage-deflate"];
  }

  /** The LZ77 window that the client can inflate with, 9 to 15; 0 when it does not inflate, or only with zlib's unusable 8. */
  get deflateWindowBits(): number {
    const deflate = this.#deflate;
    if (deflate === undefined) return 0;
    const bits = deflate.params?.server_max_window_bits ?? 15;
    return bits === 8 ? 0 : bits;
  }

  /**
   * Frees the inflater of the last message. ws would keep it, some 40 KB, as long as the connection; since it was negotiated that
   * the client starts each message afresh, nothing in it is needed again.
   */
  freeInflater(): void {
    this.#deflate?.cleanup();
  }
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  const { handler } = this as ClientSocket;
  handler?.markAlive();
  (this as ClientSocket).freeInflater();
  // The protocol is text; a binary message is answered like any other that is not JSON.
  handler?.handle(isBinary ? "" : data.toString());
}

function onPing(this: WebSocket): void {
  const { handler } = this as ClientSocket;
  if (handler?.admitMessage() === true) handler.markAlive();
}

function onPong(this: WebSocket): void {
  (this as ClientSocket).handler?.markAlive();
}

// ws reports a broken frame here and closes with the code for it; 'close' follows.
function onError(): void {}
