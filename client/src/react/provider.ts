/** Gives the components below it a client. */

import { createContext, createElement, type ReactNode, useContext, useEffect, useMemo, useRef } from "react";
import type { Client, ConnectOptions } from "../types.ts";
import { Hub } from "./hub.ts";

const HubContext = createContext<Hub | undefined>(undefined);

/** Either a client that lives longer than this component, or where to connect to. */
export type OdinProviderProps = { children?: ReactNode } & (
  | { client: Client; url?: never; options?: never }
  | {
      /** `wss://HOST/ws`. Connects when the component is mounted, never on a server, and leaves a second after it is gone. */
      url: string;
      /** Read when the connection is made: other options for the same `url` change nothing. */
      options?: ConnectOptions;
      client?: never;
    }
);

export function OdinProvider({ client, url, options, children }: OdinProviderProps): ReactNode {
  const first = useRef(options);
  const hub = useMemo(() => {
    if (client !== undefined) return new Hub({ client });
    if (url === undefined) throw new Error("OdinProvider needs a url to connect to, or a client");
    return new Hub({ url, options: first.current });
  }, [client, url]);
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
