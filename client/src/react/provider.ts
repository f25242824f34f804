/** The React provider that gives a client to the components below it. */

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

/** Either a client that the application owns, or the address of a gateway. */
export type OdinProviderProps = { children?: ReactNode } & (
  | { client: Client; url?: never; options?: never }
  | {
      /**
       * `wss://HOST/ws`. The provider connects when it is mounted, never on a server, and disconnects at most
       * two seconds after it is unmounted.
       */
      url: string;
      /**
       * Read when the provider connects. Later changes of the options have no effect while `url` is the same.
       */
      options?: ConnectOptions;
      client?: never;
    }
);

export function OdinProvider({ client, url, options, children }: OdinProviderProps): ReactNode {
  const hub = useMemo(() => {
    if (client !== undefined) return new Hub({ client });
    if (url === undefined) throw new Error("OdinProvider needs either a url or a client");
    return new Hub({ url });
  }, [client, url]);
  // Runs before the effects of the components below, which may make the client, and only for renderings that
  // are shown.
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
