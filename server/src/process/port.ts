/** Checks of the ports on which a process wants to listen. */

import type { AddressInfo } from "node:net";
import { createServer } from "node:net";

/**
 * Returns an error that names the setting of a port on which listening failed. Other errors are returned
 * unchanged.
 */
export function explainPort(error: Error, setting: string, port: number): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") {
    return new Error(
      `${setting} ${port} is taken: stop the program that listens on this port, or set ${setting} to another port`,
    );
  }
  if (code === "EACCES") {
    return new Error(`this user may not listen on ${setting} ${port}: set ${setting} to a port above 1023`);
  }
  return error;
}

/**
 * Checks that a port is free before several processes share it. Processes that share a port would not notice
 * that another gateway already listens on it. Resolves with the port, or with a free port when `port` is 0;
 * rejects when it is taken.
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
