/** A TCP proxy that delivers the bytes of the server late, like a slow machine. */

import type { Owner } from "./owner.ts";
import { startRelay } from "./relay.ts";

/** Forwards a free port of the loopback interface to `target`; bytes from `target` wait for `delay` ms. */
export function startDelayProxy(owner: Owner, target: number, delay: number): Promise<number> {
  return startRelay(owner, target, (client, upstream) => {
    client.pipe(upstream);
    upstream.on("data", (chunk) => setTimeout(() => client.write(chunk), delay));
  });
}
