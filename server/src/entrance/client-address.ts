/** Finds the real address of a client. */

import type { IncomingMessage } from "node:http";
import { isIP, SocketAddress } from "node:net";
import { blockListOf } from "../setting-values.ts";

/** Addresses that are read from the end of X-Forwarded-For. No chain of proxies is longer. */
const MAX_HOPS = 20;
/** `1.2.3.4`, `1.2.3.4:567`, `[2001:db8::1]` or `[2001:db8::1]:567`, also in quotes. */
const HOP = /^"?(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+)(?::\d+)?|([^"[\]]+))"?$/;

const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** Returns the only spelling of an address; undefined when the text is not an address. */
function canonical(text: string): string | undefined {
  const family = isIP(text);
  if (family !== 6) return family === 4 ? text : undefined;
  // A dual-stack socket shows an IPv4 peer as ::ffff:1.2.3.4.
  return new SocketAddress({ address: text, family: "ipv6" }).address.replace(/^::ffff:(?=\d+\.)/, "");
}

function addressIn(hop: string): string | undefined {
  const [, inBrackets, ipv4, other] = HOP.exec(hop.trim()) ?? [];
  return canonical(inBrackets ?? ipv4 ?? other ?? "");
}

/**
 * Returns an address as log lines show it; undefined when they must not show any. A masked address is the
 * network: the first 24 bits of IPv4, the first 48 bits of IPv6.
 *
 * @param address as `createAddressOf` returns it
 */
export function shownAddress(address: string, mode: "masked" | "full" | "off"): string | undefined {
  if (mode === "off" || address === "") return undefined;
  if (mode === "full") return address;
  if (isIP(address) === 4) return address.replace(/\d+$/, "0");
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const behind = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  const all = [...groups, ...Array<string>(Math.max(0, 8 - groups.length - behind)).fill("0")];
  return canonical(`${[...all, "0", "0", "0"].slice(0, 3).join(":")}::`);
}

/**
 * Returns a function that finds a client's address. This is the peer's address. When the peer is a proxy in
 * one of the trusted ranges (CIDR), it is the last address in X-Forwarded-For that is not a trusted proxy:
 * the client may have made up everything before that address. A load balancer that adds its own address
 * after the client's, as Google's does, must be in the ranges too. When a proxy has added something that is
 * not an address (`unknown`, `_hidden`), the client's address is not known, and the peer counts.
 */
export function createAddressOf(trusted: readonly string[]): (request: IncomingMessage) => string {
  const proxies = blockListOf(trusted);
  const isProxy = (address: string) => proxies.check(address, familyOf(address));
  return (request) => {
    const peer = canonical(request.socket.remoteAddress ?? "") ?? "";
    const forwarded = request.headers["x-forwarded-for"];
    if (trusted.length === 0 || forwarded === undefined || peer === "" || !isProxy(peer)) return peer;
    for (const hop of String(forwarded).split(",").slice(-MAX_HOPS).reverse()) {
      const address = addressIn(hop);
      if (address === undefined) return peer;
      if (!isProxy(address)) return address;
    }
    return peer;
  };
}
