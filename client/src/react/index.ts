/** React hooks for @odin-ws/client. Safe in strict mode and on servers: nothing connects while rendering. */

export type { FeedDefinition, Received } from "./feed.ts";
export type { Connection } from "./hub.ts";
export { OdinProvider, type OdinProviderProps } from "./provider.ts";
export { type Latest, type Listing, type Recent, type Selecting, useChannel } from "./use-channel.ts";
export { useConnection, useRefetch } from "./use-connection.ts";
export { useFeed } from "./use-feed.ts";
