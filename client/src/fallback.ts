/**
 * The environment of a client that gets its messages over HTTP where WebSockets do not work, and that moves
 * a share of the users over. Only applications that use the fallback load this file.
 */

import { HttpSocket } from "./http-socket.ts";
import type { Environment, Socket } from "./types.ts";

export interface FallbackOptions {
  /**
   * Which users connect over WebSocket; the others poll. Default: all users. `percent`: 0 to 100. `key`: what
   * identifies the user. The same user is always in the same group, and a higher percentage only adds users.
   */
  rollout?: { percent: number; key: string };
  /** Time between two polls, milliseconds. Default 2000. */
  pollMs?: number;
  /** Time after which a client that fell back tries the WebSocket again, milliseconds. Default 60_000. */
  returnAfterMs?: number;
  /** Opens WebSockets, in place of the global class. */
  open?: Environment["open"];
  /** Sends requests, in place of the global function. */
  fetch?: typeof fetch;
}

/** Attempts in a row without a welcome after which the client polls. */
const ATTEMPTS = 2;

/**
 * Returns the option `environment` of `connect`. The client connects over WebSocket. After two attempts in a
 * row without the welcome of a gateway, it polls over HTTP, and tries the WebSocket again after a while.
 */
export function fallback(options: FallbackOptions = {}): Pick<Environment, "open"> {
  const { rollout, pollMs = 2000, returnAfterMs = 60_000 } = options;
  const open = options.open ?? ((url: string) => new WebSocket(url) as unknown as Socket);
  const send = options.fetch ?? ((input, init) => fetch(input, init));
  const chosen = rollout === undefined || isInRollout(rollout.key, rollout.percent);
  let failures = 0;
  return {
    open: (url) => {
      if (chosen && failures < ATTEMPTS) {
        return watched(open(url), (welcomed) => {
          failures = welcomed ? 0 : failures + 1;
        });
      }
      // After one failed attempt of the WebSocket the client polls again.
      failures = ATTEMPTS - 1;
      return new HttpSocket(url, {
        pollMs,
        lifeMs: chosen ? returnAfterMs : Number.POSITIVE_INFINITY,
        fetch: send,
      });
    },
  };
}

/** True for `percent` of all keys, always for the same keys (FNV-1a hash). */
export function isInRollout(key: string, percent: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % 100 < percent;
}

/** Reports once whether a socket gets its first message before it ends. */
function watched(inner: Socket, report: (welcomed: boolean) => void): Socket {
  let reported = false;
  const once = (welcomed: boolean) => {
    if (!reported) report(welcomed);
    reported = true;
  };
  const socket: Socket = {
    onmessage: null,
    onclose: null,
    onerror: null,
    send: (text) => inner.send(text),
    close: () => {
      once(false);
      inner.close();
    },
  };
  Object.defineProperty(socket, "binaryType", {
    set: (type: string) => {
      inner.binaryType = type;
    },
  });
  inner.onmessage = (event) => {
    once(true);
    socket.onmessage?.(event);
  };
  inner.onerror = (event) => socket.onerror?.(event);
  inner.onclose = (event) => {
    once(false);
    socket.onclose?.(event);
  };
  return socket;
}
