/** The surroundings that browsers and Node have. */

import type { Environment, Socket, Watchable } from "./types.ts";

/** What may be among the globals. */
interface Globals {
  addEventListener?: Watchable["addEventListener"];
  WebSocket: new (url: string) => Socket;
  navigator?: { readonly onLine?: boolean };
  document?: Watchable & { readonly hidden: boolean };
}

const LOOPBACK = /^wss?:..(localhost[:/]|127\.|\[::1)/;

/** Those, but for what is given. */
export function environmentOf(url: string, given?: Partial<Environment>): Environment {
  const globals = globalThis as unknown as Globals;
  return {
    open: (url) => new globals.WebSocket(url),
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
    setTimeout: (callback, ms) => setTimeout(callback, ms), // A browser's own wants no `this`.
    clearTimeout: (timer) => clearTimeout(timer as number),
    random: Math.random,
    window: globals.addEventListener && (globals as unknown as Watchable),
    navigator: globals.navigator,
    document: globals.document,
    ...given,
    // This machine can be reached without a network too.
    ...(LOOPBACK.test(url) && { navigator: undefined }),
  };
}

/** Throws later, as an uncaught error: a listener's mistake is the application's, and must not stop the others. */
export function report(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}
