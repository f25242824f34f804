/** The queue of connections that the kernel has accepted for a server and the process has not yet. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Server } from "node:net";

/** Files with the TCP sockets of the network, the listening ones first. */
const FILES = ["/proc/net/tcp6", "/proc/net/tcp"] as const;
const CHUNK = 4096;
/** A machine with more listening sockets than about 300 is not searched further. */
const MAX_BYTES = 16 * CHUNK;
const LISTENING = "0A";

/**
 * Returns the length of a server's queue; undefined when it cannot be known: the server does not listen, or
 * the system has no such files.
 */
export function acceptQueueLength(server: Server): number | undefined {
  const handle = handleOf(server);
  if (handle?.fd === undefined || handle.fd < 0) return undefined;
  try {
    const inode = fstatSync(handle.fd).ino;
    for (const file of FILES) {
      const found = search(file, inode);
      if (found !== undefined) return found;
    }
  } catch {
    // There is no such file, or no descriptor is left.
  }
  return undefined;
}

/** Changes the longest queue of a server that listens. Connections in the queue stay there. */
export function limitAcceptQueue(server: Server, length: number): void {
  handleOf(server)?.listen?.(length);
}

interface Handle {
  fd?: number;
  listen?: (backlog: number) => number;
}

/** Node has no public accessor for the socket of a server. */
function handleOf(server: Server): Handle | null | undefined {
  return (server as unknown as { _handle?: Handle | null })._handle;
}

function search(file: string, inode: number): number | undefined {
  const descriptor = openSync(file, "r");
  try {
    const chunk = Buffer.allocUnsafe(CHUNK);
    let text = "";
    for (let read = 0; read < MAX_BYTES; ) {
      const length = readSync(descriptor, chunk, 0, CHUNK, null);
      read += length;
      text += chunk.toString("latin1", 0, length);
      const lines = text.split("\n");
      text = length === 0 ? "" : (lines.pop() ?? "");
      for (const line of lines) {
        const queue = queueOf(line, inode);
        if (queue === "not listening") return undefined;
        if (queue !== undefined) return queue;
      }
      if (length === 0) return undefined;
    }
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Reads one line of the file. Returns undefined for other listening sockets and the head of the table.
 *
 * @param line such as `0: 00000000:0BBC 00000000:0000 0A 00000000:00000003 00:00000000 00000000 0 0 4711 …`
 */
export function queueOf(line: string, inode: number): number | "not listening" | undefined {
  const [index = "", , , state, queues = "", , , , , found] = line.trim().split(/ +/);
  if (!index.endsWith(":")) return undefined;
  if (state !== LISTENING) return "not listening";
  if (Number(found) !== inode) return undefined;
  return Number.parseInt(queues.slice(queues.indexOf(":") + 1), 16);
}
