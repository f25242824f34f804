/** The environment of browsers and Node. */

import type { Environment, Socket, Watchable } from "./types.ts";

/** Globals that the client uses, if they exist. */
interface Globals {
  addEventListener?: Watchable["addEventListener"];
  WebSocket: new (url: string) => Socket;
  navigator?: { readonly onLine?: boolean };
  document?: Watchable & { readonly hidden: boolean };
}

/** Returns the globals of the browser or of Node, with the caller's overrides. */
export function environmentOf(given?: Partial<Environment>): Environment {
  const globals = globalThis as unknown as Globals;
  return {
    open: (url) => new WebSocket(url) as unknown as Socket,
    fetch: (url, init) => fetch(url, init),
    now: () => performance.now(),
    setTimeout: (callback, ms) => setTimeout(callback, ms), // Browsers' must not be a method.
    clearTimeout: (timer) => clearTimeout(timer as number),
    random: Math.random,
    window: globals.addEventListener && (globals as unknown as Watchable),
    navigator: globals.navigator,
    document: globals.document,
    ...given,
  };
}

/**
 * Calls a function of the application. Throws its error later, as an uncaught error: the application sees the
 * error, and other listeners still run.
 */
export function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}
