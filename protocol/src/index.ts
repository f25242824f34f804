/** The TypeScript mirror of PROTOCOL.md: everything that the gateway, its clients and its publishers agree on. */
export * from "./channels.ts";
export * from "./events.ts";
export * from "./limits.ts";
export * from "./messages.ts";
export * from "./stream.ts";
