/** Finds the real address of a client. */

import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");
// A dual-stack socket shows an IPv4 peer as ::ffff:1.2.3.4.
const withoutIpv6Prefix = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, "");

/**
 * Returns a function that finds a client's address. This is the peer's address. When the peer is a proxy in
 * one of the trusted ranges (CIDR), it is the last address in X-Forwarded-For that is not a trusted proxy:
 * the client may have made up all addresses before that one. A load balancer that adds its own address after
 * the client's, as Google's does, must be in the ranges too.
 */
export function createAddressOf(trusted: readonly string[]): (request: IncomingMessage) => string {
  const proxies = new BlockList();
  for (const range of trusted) {
    const [address = "", bits] = range.split("/");
    proxies.addSubnet(address, Number(bits), familyOf(address));
  }
  return (request) => {
    const peer = withoutIpv6Prefix(request.socket.remoteAddress ?? "");
    const forwarded = request.headers["x-forwarded-for"];
    if (trusted.length === 0 || forwarded === undefined || !proxies.check(peer, familyOf(peer))) return peer;
    const hops = String(forwarded)
      .split(",")
      .map((hop) => withoutIpv6Prefix(hop.trim()));
    return hops.findLast((hop) => isIP(hop) !== 0 && !proxies.check(hop, familyOf(hop))) ?? peer;
  };
}
