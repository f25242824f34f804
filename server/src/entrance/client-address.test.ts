import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { createAddressOf, shownAddress } from "./client-address.ts";

function address(trusted: string[], peer: string | undefined, forwarded?: string): string {
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  return createAddressOf(trusted)({ socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage);
}
const PROXIES = ["10.0.0.0/8", "fd00::/8"];

test("without trusted proxies the peer is the client, and the header is ignored", () => {
  assert.equal(address([], "1.2.3.4"), "1.2.3.4");
  assert.equal(address([], "1.2.3.4", "9.9.9.9"), "1.2.3.4");
  assert.equal(
    address(PROXIES, "1.2.3.4", "9.9.9.9"),
    "1.2.3.4",
    "the peer is not a proxy, so the header is ignored",
  );
});

test("behind a proxy the client is the last address that is not a trusted proxy", () => {
  assert.equal(address(PROXIES, "10.1.1.1", "9.9.9.9"), "9.9.9.9");
  assert.equal(
    address(PROXIES, "10.1.1.1", "6.6.6.6, 9.9.9.9"),
    "9.9.9.9",
    "the client may have made up earlier addresses",
  );
  assert.equal(address(PROXIES, "10.1.1.1", "6.6.6.6, 9.9.9.9, 10.2.2.2"), "9.9.9.9");
  assert.equal(address(PROXIES, "fd00::1", "2001:db8::7"), "2001:db8::7");
});

// Google's application load balancers add `CLIENT,ADDRESS OF THE FORWARDING RULE` to the header that the
// client sent. Source: cloud.google.com/load-balancing/docs/https, X-Forwarded-For header.
test("behind Google's load balancer, which adds its own address, the client's address is found", () => {
  const google = ["35.191.0.0/16", "130.211.0.0/22", "34.120.1.1/32"];
  for (const comma of [",", ", "]) {
    for (const client of ["203.0.113.7", "198.51.100.9"]) {
      const sent = [client, "34.120.1.1"];
      assert.equal(address(google, "35.191.8.4", sent.join(comma)), client);
      assert.equal(address(google, "::ffff:130.211.1.9", ["192.0.2.1", ...sent].join(comma)), client);
      assert.equal(
        address(google, "35.191.8.4", ["192.0.2.1", "34.120.1.1", ...sent].join(comma)),
        client,
        "a made-up header that looks like the load balancer's",
      );
    }
  }
});

test("proxies write addresses in several forms", () => {
  for (const [hop, expected] of [
    ["9.9.9.9:1234", "9.9.9.9"],
    ["  9.9.9.9\t", "9.9.9.9"],
    ['"9.9.9.9:80"', "9.9.9.9"],
    ["[2001:db8::7]", "2001:db8::7"],
    ["[2001:db8::7]:443", "2001:db8::7"],
    ['"[2001:db8::7]:443"', "2001:db8::7"],
    ["2001:DB8:0:0:0:0:0:7", "2001:db8::7"],
    ["::FFFF:9.9.9.9", "9.9.9.9"],
    ["::ffff:909:909", "9.9.9.9"],
    ["[::ffff:9.9.9.9]:1", "9.9.9.9"],
    ["2001:db8::7%eth0", "2001:db8::7"],
    ["9.9.9.9, 10.2.2.2:5", "9.9.9.9"],
    ["9.9.9.9, [fd00::2]:5", "9.9.9.9"],
  ] as const)
    assert.equal(address(PROXIES, "10.1.1.1", hop), expected, hop);
});

test("a client cannot choose its address behind a value that is not an address", () => {
  for (const hop of [
    "unknown",
    "_hidden",
    "",
    " ",
    "9.9.9",
    "999.9.9.9",
    "9.9.9.9.9",
    "9.9.9.9:",
    "0x7f.1",
    "1",
  ]) {
    for (const header of [hop, `6.6.6.6, ${hop}`, `6.6.6.6,${hop},10.2.2.2`]) {
      assert.equal(address(PROXIES, "10.1.1.1", header), "10.1.1.1", header);
    }
  }
  for (const hop of ["[9.9.9.9", "9.9.9.9]", "[]", "[unknown]:1", "a\u00a0b", "for=9.9.9.9;proto=https"])
    assert.equal(address(PROXIES, "10.1.1.1", `6.6.6.6, ${hop}`), "10.1.1.1", hop);
});

test("a huge list costs nothing, and its beginning is not believed", () => {
  const proxies = "10.2.2.2,".repeat(1800);
  const from = performance.now();
  assert.equal(address(PROXIES, "10.1.1.1", `6.6.6.6,${proxies}10.2.2.2`), "10.1.1.1");
  assert.equal(address(PROXIES, "10.1.1.1", `${proxies}9.9.9.9`), "9.9.9.9");
  assert.ok(performance.now() - from < 100);
});

test("an IPv4 peer on a dual-stack socket has its IPv4 address", () => {
  assert.equal(address([], "::ffff:1.2.3.4"), "1.2.3.4");
  assert.equal(address(PROXIES, "::ffff:10.1.1.1", "::ffff:9.9.9.9"), "9.9.9.9");
});

test("when the header contains no client, the address is the proxy's", () => {
  for (const forwarded of ["", "unknown", "10.3.3.3", "for=9.9.9.9", ",,,"]) {
    assert.equal(address(PROXIES, "10.1.1.1", forwarded), "10.1.1.1", forwarded);
  }
  assert.equal(address(PROXIES, "10.1.1.1"), "10.1.1.1");
  assert.equal(address(PROXIES, undefined, "9.9.9.9"), "", "a closed socket has no address");
});

test("a masked address shows only the client's network", () => {
  for (const [address, masked] of [
    ["203.0.113.77", "203.0.113.0"],
    ["2001:db8:12:34:56:78:9a:bc", "2001:db8:12::"],
    ["2001:db8::1", "2001:db8::"],
    ["2001:db8:0:5::1", "2001:db8::"],
    ["::1", "::"],
    ["fe80::a:b", "fe80::"],
    ["64:ff9b::102:304", "64:ff9b::"],
  ] as const) {
    assert.equal(shownAddress(address, "masked"), masked);
    assert.equal(shownAddress(address, "full"), address);
    assert.equal(shownAddress(address, "off"), undefined);
  }
  assert.equal(shownAddress("", "full"), undefined, "a socket that is closed already has no address");
});
