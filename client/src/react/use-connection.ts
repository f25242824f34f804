import { useEffect, useRef, useSyncExternalStore } from "react";
import type { Refetch } from "../types.ts";
import type { Connection } from "./hub.ts";
import { useHub } from "./provider.ts";

/**
 * The status of the connection: state, reason, gateway, latency, throttle level; and `pause()` and
 * `resume()`.
 */
export function useConnection(): Connection {
  const hub = useHub();
  return useSyncExternalStore(hub.onConnection, hub.getConnection, hub.getFirstConnection);
}

/**
 * Calls `refetch` when messages are lost, so that the present state of these channels must be fetched in
 * another way.
 */
export function useRefetch(refetch: (lost: Refetch) => void): void {
  const hub = useHub();
  const current = useRef(refetch);
  useEffect(() => {
    current.current = refetch;
  });
  useEffect(() => hub.onRefetch((lost) => current.current(lost)), [hub]);
}
