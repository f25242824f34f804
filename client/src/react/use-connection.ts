import { useEffect, useRef, useSyncExternalStore } from "react";
import type { Refetch } from "../types.ts";
import type { Connection } from "./hub.ts";
import { useHub } from "./provider.ts";

/** The connection: its state and why, the gateway's name, its latency, how far it is throttled; and `pause()` and `resume()`. */
export function useConnection(): Connection {
  const hub = useHub();
  return useSyncExternalStore(hub.onConnection, hub.getConnection, hub.getFirstConnection);
}

/** Calls `refetch` when messages were lost for good and the present state of these channels must be fetched in another way. */
export function useRefetch(refetch: (lost: Refetch) => void): void {
  const hub = useHub();
  const current = useRef(refetch);
  useEffect(() => {
    current.current = refetch;
  });
  useEffect(() => hub.onRefetch((lost) => current.current(lost)), [hub]);
}
