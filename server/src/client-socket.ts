/** The WebSocket of a client, as ws makes it, with the two things that ws does not offer: see below. */

import { WebSocket } from "ws";
import type { Commands } from "./commands.ts";
import type { Connection } from "./connection.ts";

/** The public part of ws's PerMessageDeflate that is used here; @types/ws does not have the class. */
interface PerMessageDeflate {
  params: { server_max_window_bits?: number } | null;
  cleanup(): void;
}

/** Given to WebSocketServer as its `WebSocket` option. */
export class ClientSocket extends WebSocket {
  connection: Connection | undefined;
  commands: Commands | undefined;

  /** Whoever ends it, the client, ws or the gateway: nothing is sent after the close frame. */
  override close(code?: number, reason?: string | Buffer): void {
    this.connection?.detach();
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
