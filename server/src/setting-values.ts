/**
 * Formats of settings whose values could look right and still never work. A value whose meaning is clear is
 * changed to the form that works; every other value is refused.
 */

import { createPublicKey, type KeyObject } from "node:crypto";
import { BlockList, isIP } from "node:net";
import { GLOBAL, parseChannel } from "@odin-ws/protocol";
import { list, text, url } from "@odin-ws/settings/values";
import { z } from "zod";

/**
 * Returns the form in which browsers send an origin; undefined when the text is not one. Browsers send
 * lower case, no default port and no slash.
 */
function originOf(given: string): string | undefined {
  if (given === "null") return given; // a page without an origin, such as a local file
  const parsed = URL.parse(given);
  if (parsed === null || /[*\s?#]/.test(given) || /^wss?:$/.test(parsed.protocol)) return undefined;
  const { protocol, host, pathname, username, password } = parsed;
  if (host === "" || username !== "" || password !== "" || !["", "/"].includes(pathname)) return undefined;
  return `${protocol}//${host}`;
}

/** Origins of pages. */
export const origins = () =>
  list().transform((items, context): string[] => {
    const wrong = items.filter((item) => originOf(item) === undefined);
    if (wrong.length > 0) {
      context.addIssue(
        "must list origins such as https://app.example.com, each with a scheme and a host, and without a path or *; " +
          `wrong: ${wrong.join(", ")}`,
      );
    }
    return items.flatMap((item) => originOf(item) ?? []);
  });

/** The path of a URL, in the form in which clients send it. */
export const urlPath = () =>
  text(
    (path) => path.startsWith("/") && URL.parse(path, "http://gateway")?.pathname === path,
    "must be a path such as /ws: it must start with one /, without a query, white space, .. or characters that URLs encode",
  );

/** A URL that `fetch` accepts. */
export const fetchUrl = () =>
  url("http", "https").refine(
    (given) => URL.parse(given)?.username === "" && URL.parse(given)?.password === "",
    "must be a URL without a user and password",
  );

const isRange = (range: string): boolean => {
  const [address = "", bits = "", ...rest] = range.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bits) || address.includes("%")) return false;
  return Number(bits) <= (family === 4 ? 32 : 128);
};

/** Ranges of addresses. */
export const addressRanges = () =>
  list().refine((ranges) => ranges.every(isRange), "must be ranges like 10.0.0.0/8 or fd00::/8");

/** Returns a list that knows whether an address is in one of these ranges. */
export function blockListOf(ranges: readonly string[]): BlockList {
  const found = new BlockList();
  for (const range of ranges) {
    const [address = "", bits] = range.split("/");
    found.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return found;
}

const CURVES = ["prime256v1", "secp384r1", "secp521r1"];
const MIN_RSA_BITS = 2048;

/** Reads a PEM public key. In an env file, the line ends of a PEM are often written as \n. */
export const readPublicKey = (pem: string): KeyObject => createPublicKey(pem.replaceAll("\\n", "\n"));

/** A public key with which tokens can be checked. */
export const publicKey = () =>
  z.string().superRefine((pem, context) => {
    let key: KeyObject;
    try {
      key = readPublicKey(pem);
    } catch {
      context.addIssue("must be a PEM public key or certificate");
      return;
    }
    const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key;
    const usable =
      (type === "rsa" && (details.modulusLength ?? 0) >= MIN_RSA_BITS) ||
      (type === "ec" && CURVES.includes(details.namedCurve ?? "")) ||
      type === "ed25519";
    if (!usable)
      context.addIssue(
        "must be a key for tokens: RSA of 2048 bits or more, EC on P-256, P-384 or P-521, or Ed25519",
      );
  });

/** A secret for HMAC. A PEM key belongs into JWT_PUBLIC_KEY. */
export const hmacSecret = () =>
  text(
    (secret) => !/^\s*-----BEGIN /.test(secret),
    "must be a shared secret; a PEM public key belongs into JWT_PUBLIC_KEY",
  );

/** Names of events, or `none`. */
export const events = () =>
  list()
    .refine(
      (names) => names.every((name) => parseChannel(`${GLOBAL}.${name}`) !== undefined && name !== "*"),
      "must be names of events such as trade,trending, or none",
    )
    .transform((names) => (names.length === 1 && names[0] === "none" ? [] : names));
