import type { IncomingMessage } from "node:http";
import type { ServerMessage } from "@odin-ws/protocol";
import { WebSocket } from "ws";

const BODY = 300; // characters of a refusal's body that the error keeps

/** The upgrade was answered with another status than 101. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number, body: string) {
    super(`refused with HTTP ${status}${body && ` ${body}`}`);
    this.status = status;
  }
}

/** Options of a connection. */
export interface ProbeOptions {
  /** Token for `?auth=`. Default: no token. */
  token?: string | undefined;
  /** Origin header, as a browser would send it. Default: no header. */
  origin?: string | undefined;
  /** Milliseconds for DNS, the connection, TLS and the upgrade together. */
  wait: number;
}

/**
 * One connection to a gateway, like a client's. Messages that arrive are kept until {@link Probe.next} takes
 * them.
 */
export class Probe {
  readonly #socket: WebSocket;
  readonly #arrived: ServerMessage[] = [];
  /** Kinds of messages that `next` skipped, with their counts. */
  readonly #skipped = new Map<string, number>();
  #ended: string | undefined;
  #wake: () => void = () => {};

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data, binary) => {
      this.#arrived.push(parse(String(data), binary));
      this.#wake();
    });
    socket.on("error", (error) => this.#end(error.message));
    socket.on("close", (code, reason) => this.#end(`closed with ${code} ${reason}`.trim()));
  }

  /**
   * Connects.
   * @throws Refused when the upgrade is refused; Error with the system's `code` when there is no connection
   */
  static open(url: string, { token, origin, wait }: ProbeOptions): Promise<Probe> {
    const target = new URL(url);
    if (token !== undefined) target.searchParams.set("auth", token);
    const socket = new WebSocket(target, { handshakeTimeout: wait, ...(origin !== undefined && { origin }) });
    return new Promise((resolve, reject) => {
      // The welcome may arrive in the same packet as the answer to the upgrade, so the probe listens before
      // the connection is open.
      const probe = new Probe(socket);
      socket.once("open", () => resolve(probe));
      socket.once("error", reject);
      socket.once("unexpected-response", (_request, response) => {
        refusal(response).then(reject, reject);
      });
    });
  }

  send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  /**
   * Returns the next message that fits, and skips the messages before it.
   * @throws Error that says what arrived instead, or how the connection ended
   */
  async next<T extends ServerMessage>(
    what: string,
    fits: (message: ServerMessage) => message is T,
    wait: number,
  ): Promise<T> {
    const late = AbortSignal.timeout(wait);
    late.addEventListener("abort", () => this.#wake(), { once: true });
    for (;;) {
      for (let message = this.#arrived.shift(); message; message = this.#arrived.shift()) {
        if (fits(message)) return message;
        const kind = kindOf(message);
        this.#skipped.set(kind, (this.#skipped.get(kind) ?? 0) + 1);
      }
      if (this.#ended !== undefined) throw new Error(`expected ${what}, but the connection ${this.#ended}`);
      if (late.aborted)
        throw new Error(`expected ${what} within ${Math.round(wait / 1000)} s, ${this.#received()}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends the connection. The check does not wait for a gateway that does not answer the close. */
  close(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(1000);
    setTimeout(() => this.#socket.terminate(), 500).unref(); // ms
  }

  #end(how: string): void {
    this.#ended ??= how.startsWith("closed") ? `was ${how}` : `broke: ${how}`;
    this.#wake();
  }

  #received(): string {
    if (this.#skipped.size === 0) return "received nothing";
    return `received: ${[...this.#skipped].map(([kind, count]) => `${count} × ${kind}`).join(", ")}`;
  }
}

function parse(text: string, binary: boolean): ServerMessage {
  try {
    if (!binary) return JSON.parse(text) as ServerMessage;
  } catch {
    // Falls through to the kind below.
  }
  return { type: "not JSON text" } as unknown as ServerMessage;
}

function kindOf(message: ServerMessage): string {
  if ("channel" in message) return "envelope";
  return message.type === "error" ? `error ${message.code} (${message.message})` : String(message.type);
}

async function refusal(response: IncomingMessage): Promise<Refused> {
  let body = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    body += chunk;
    if (body.length > BODY) break;
  }
  return new Refused(response.statusCode ?? 0, body.slice(0, BODY).replaceAll(/\s+/g, " ").trim());
}
