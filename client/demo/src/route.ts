/** The view for an address: `#/` shows the market, `#/token/BTC` a token, `#/connection` the connection. */

import { useSyncExternalStore } from "react";

export type Route = { view: "market" } | { view: "token"; symbol: string } | { view: "connection" };

export function readRoute(hash: string): Route {
  const [, view, rest] = hash.split("/");
  if (view === "connection") return { view };
  if (view !== "token" || rest === undefined || rest === "") return { view: "market" };
  try {
    return { view, symbol: decodeURIComponent(rest) };
  } catch {
    return { view: "market" };
  }
}

export const tokenPath = (symbol: string): string => `#/token/${encodeURIComponent(symbol)}`;

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export function useHash(): string {
  return useSyncExternalStore(subscribe, () => location.hash);
}
