/**
 * The same client as index.ts, whose subscriptions also take `maxRate` and `last`. It is a module of its own,
 * because a client that wants every message does not need most of what it adds. The React hooks use it.
 */

export * from "./index.ts";
