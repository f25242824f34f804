/** Gives the components below it a client. */

import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useEffect,
  useInsertionEffect,
  useMemo,
} from "react";
import type { Client, ConnectOptions } from "../types.ts";
import { Hub } from "./hub.ts";

const HubContext = createContext<Hub | undefined>(undefined);

/** Either a client that lives longer than this component, or where to connect to. */
export type OdinProviderProps = { children?: ReactNode } & (
  | { client: Client; url?: never; options?: never }
  | {
      /** `wss://HOST/ws`. Connects when the component is mounted, never on a server, and leaves two seconds after it is gone at the latest. */
      url: string;
      /** Those that are given with a `url` when it is connected to: other options for the same `url` change nothing. */
      options?: ConnectOptions;
      client?: never;
    }
);

export function OdinProvider({ client, url, options, children }: OdinProviderProps): ReactNode {
  const hub = useMemo(() => {
    if (client !== undefined) return new Hub({ client });
    if (url === undefined) throw new Error("OdinProvider needs a url to connect to, or a client");
    return new Hub({ url });
  }, [client, url]);
  // Before any component below has its effects, in which it may want to be connected; and only what has been shown.
  useInsertionEffect(() => {
    hub.options = options;
  }, [hub, options]);
  useEffect(() => {
    hub.retain();
    return () => hub.release();
  }, [hub]);
  return createElement(HubContext.Provider, { value: hub }, children);
}

/** @throws Error outside of an OdinProvider */
export function useHub(): Hub {
  const hub = useContext(HubContext);
  if (hub === undefined) throw new Error("no OdinProvider above this component: wrap the application in one");
  return hub;
}
