import type { IncomingMessage } from "node:http";
import type { ServerMessage } from "@odin-ws/protocol";
import { WebSocket } from "ws";

const BODY = 300; // characters of a refusal that are kept

/** The upgrade was answered with something else than 101. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number, body: string) {
    super(`refused with HTTP ${status}${body && ` ${body}`}`);
    this.status = status;
  }
}

/** How a connection is opened. */
export interface ProbeOptions {
  /** For `?auth=`; without it none is sent. */
  token?: string | undefined;
  /** As a browser would send it. Default: none. */
  origin?: string | undefined;
  /** Milliseconds for the name, the connection, TLS and the upgrade together. */
  wait: number;
}

/** One connection to a gateway, as a client has it. Everything that arrives is kept until it is asked for. */
export class Probe {
  readonly #socket: WebSocket;
  readonly #arrived: ServerMessage[] = [];
  /** Kinds of messages that came and were passed over, with their number. */
  readonly #passed = new Map<string, number>();
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

  /** @throws Refused when the upgrade is refused; Error with the system's `code` when there is no connection */
  static open(url: string, { token, origin, wait }: ProbeOptions): Promise<Probe> {
    const target = new URL(url);
    if (token !== undefined) target.searchParams.set("auth", token);
    const socket = new WebSocket(target, { handshakeTimeout: wait, ...(origin !== undefined && { origin }) });
    return new Promise((resolve, reject) => {
      // The welcome may come in the same packet as the answer to the upgrade: listen before it opens.
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

  /** The next message that fits; others are passed over. @throws Error that says what came instead, or that it ended */
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
        this.#passed.set(kind, (this.#passed.get(kind) ?? 0) + 1);
      }
      if (this.#ended !== undefined) throw new Error(`expected ${what}, but the connection ${this.#ended}`);
      if (late.aborted)
        throw new Error(`expected ${what} within ${Math.round(wait / 1000)} s, ${this.#came()}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends the connection; a gateway that does not answer the close does not hold the check up. */
  close(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(1000);
    setTimeout(() => this.#socket.terminate(), 500).unref(); // ms
  }

  #end(how: string): void {
    this.#ended ??= how.startsWith("closed") ? `was ${how}` : `broke: ${how}`;
    this.#wake();
  }

  #came(): string {
    if (this.#passed.size === 0) return "nothing came";
    return `came: ${[...this.#passed].map(([kind, count]) => `${count} × ${kind}`).join(", ")}`;
  }
}

function parse(text: string, binary: boolean): ServerMessage {
  try {
    if (!binary) return JSON.parse(text) as ServerMessage;
  } catch {
    // Told by its kind, below.
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
