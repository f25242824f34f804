/** The TypeScript mirror of PROTOCOL.md: everything on which gateways, clients and publishers must agree. */
export * from "./channels.ts";
export * from "./events.ts";
export * from "./limits.ts";
export * from "./messages.ts";
export * from "./stream.ts";
