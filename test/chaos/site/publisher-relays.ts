/** TCP relays between the publisher and the NATS servers, which can lose what NATS answers. */

import type { Socket } from "node:net";
import { startRelay } from "../../harness/delay-proxy.ts";
import { commandReader } from "../../harness/nats-delay.ts";
import type { Owner } from "../../harness/owner.ts";
import { pause } from "../../harness/wait.ts";

export class PublisherRelays {
  urls: readonly string[] = [];
  readonly #sockets = new Set<Socket>();
  #losing = 0;

  async start(owner: Owner, ports: readonly number[]): Promise<void> {
    const relays = ports.map((port) => startRelay(owner, port, (...sockets) => this.#join(...sockets)));
    this.urls = (await Promise.all(relays)).map((port) => `nats://127.0.0.1:${port}`);
  }

  /** NATS stores what the publisher sends, and no acknowledgement arrives. The connection lasts. */
  async whileAcksAreLost(ms: number): Promise<void> {
    this.#losing++;
    await pause(ms);
    this.#losing--;
  }

  /** Ends the connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #join(client: Socket, upstream: Socket): void {
    this.#sockets.add(client);
    client.once("close", () => this.#sockets.delete(client));
    client.pipe(upstream);
    const read = commandReader(/^H?MSG$/i);
    upstream.on("data", (chunk: Buffer) => {
      // Only messages have a subject: pings and their answers pass.
      for (const { subject, bytes } of read(chunk)) {
        if (subject === "" || this.#losing === 0) client.write(bytes);
      }
    });
  }
}
