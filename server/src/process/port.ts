/** Ports that a process wants to listen on. */

import type { AddressInfo } from "node:net";
import { createServer } from "node:net";

/** Listening failed: says which setting names the port. Any other error stays as it is. */
export function explainPort(error: Error, setting: string, port: number): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") {
    return new Error(`${setting} ${port} is taken: stop the program that listens there, or set ${setting}`);
  }
  if (code === "EACCES") {
    return new Error(`${setting} ${port} may not be used by this user: set ${setting} to one above 1023`);
  }
  return error;
}

/**
 * Finds out whether a port is free, before several processes share it: sharing would not notice that another gateway has it
 * already. Resolves with the port, a free one for 0; rejects when it is taken.
 */
export function probePort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen({ port, exclusive: true }, () => {
      const found = (probe.address() as AddressInfo).port;
      probe.close(() => resolve(found));
    });
  });
}
