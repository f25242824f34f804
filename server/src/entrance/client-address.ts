/** Which address a client really comes from. */

import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");
// A dual-stack socket shows an IPv4 peer as ::ffff:1.2.3.4.
const short = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, "");

/**
 * Finds a client's address: the peer's, or behind a proxy in one of the trusted ranges (CIDR) the last address in X-Forwarded-For that is
 * no trusted proxy. Whatever stands before that one the client may have made up. A load balancer that adds its own address after the
 * client's, as Google's does, must have that in the ranges too.
 */
export function createAddressOf(trusted: readonly string[]): (request: IncomingMessage) => string {
  const proxies = new BlockList();
  for (const range of trusted) {
    const [address = "", bits] = range.split("/");
    proxies.addSubnet(address, Number(bits), familyOf(address));
  }
  return (request) => {
    const peer = short(request.socket.remoteAddress ?? "");
    const forwarded = request.headers["x-forwarded-for"];
    if (trusted.length === 0 || forwarded === undefined || !proxies.check(peer, familyOf(peer))) return peer;
    const hops = String(forwarded)
      .split(",")
      .map((hop) => short(hop.trim()));
    return hops.findLast((hop) => isIP(hop) !== 0 && !proxies.check(hop, familyOf(hop))) ?? peer;
  };
}
