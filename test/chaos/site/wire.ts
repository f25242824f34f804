/**
 * Checks what a gateway sends on each connection, below the client: the client drops a message that it has
 * received before, and so hides a gateway that sends a message twice.
 */

import type { Environment, Socket } from "@odin-ws/client";
import type { ServerMessage } from "@odin-ws/protocol";

export class Wire {
  readonly #report: (what: string) => void;
  #epoch = "";
  /** `seq` by offset, and offset by `seq`, of this connection and stream. */
  #seqs = new Map<number, number>();
  #offsets = new Map<number, number>();

  constructor(report: (what: string) => void) {
    this.#report = report;
  }

  /** Watches all sockets that an environment opens. For the option `encoding` of a client. */
  watch(environment: Pick<Environment, "open">): void {
    const { open } = environment;
    environment.open = (url) => {
      const inner = open(url);
      const socket: Socket = {
        onmessage: null,
        onclose: null,
        onerror: null,
        send: (text) => inner.send(text),
        close: () => inner.close(),
      };
      inner.onmessage = (event) => {
        this.take(event.data as string);
        socket.onmessage?.(event);
      };
      inner.onclose = (event) => socket.onclose?.(event);
      inner.onerror = (event) => socket.onerror?.(event);
      return socket;
    };
  }

  /** Takes one message of the gateway, as JSON. */
  take(text: string): void {
    if (text === "") return; // A message that is damaged; the client ends the connection.
    const message = JSON.parse(text) as ServerMessage;
    if (!("channel" in message)) {
      if (message.type === "welcome") this.#begin(message.epoch, true);
      else if (message.type === "throttle_update") this.#begin(message.since.epoch, false);
      return;
    }
    const { seq, offset, channel } = message;
    const known = this.#seqs.get(offset);
    if (known !== undefined && known !== seq)
      this.#report(`the gateway sent offset ${offset} of ${channel} as seq ${known} and as seq ${seq}`);
    const other = this.#offsets.get(seq);
    if (other !== undefined && other !== offset)
      this.#report(`the gateway sent seq ${seq} for offset ${other} and for offset ${offset}`);
    this.#seqs.set(offset, seq);
    this.#offsets.set(seq, offset);
  }

  #begin(epoch: string, always: boolean): void {
    if (!always && epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#seqs = new Map();
    this.#offsets = new Map();
  }
}
