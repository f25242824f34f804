/** Where NATS is and who we are there, read from URLs. Publisher and gateway share it, so that one NATS_URL serves both. */

import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { NodeConnectionOptions, TlsOptions } from "@nats-io/transport-node";

/** NATS servers and how to log in to them. */
export interface NatsServers {
  /** `host:port`, without user and password: may be logged. */
  servers: string[];
  /** From the URLs, percent-decoded; empty: no login, or a credentials file. */
  login: { user?: string; pass?: string; token?: string };
  /** The URLs say `tls://`: a connection without TLS is not used. */
  tls: boolean;
}

const DEFAULT_PORT = "4222";
/** Node takes it where the client gives no name to check the certificate against. */
const NO_NAME = "localhost";

/** As the URL has it where it is no percent-encoding. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Undefined where the text is no NATS URL, also where an unencoded character in a password has cut it short. */
function parse(text: string): URL | undefined {
  const isUrl = text.includes("://");
  // The second half of a password with a comma in it, most likely.
  if (!isUrl && text.includes("@")) return undefined;
  const url = URL.parse(isUrl ? text : `nats://${text}`);
  if (url === null || !/^(nats|tls):$/.test(url.protocol) || url.hostname === "") return undefined;
  return /^\/?$/.test(url.pathname) && url.search === "" && url.hash === "" ? url : undefined;
}

/**
 * Reads NATS URLs: `nats://host:4222` or `tls://host:4222`, with `user:password@` or `token@` before the host, percent-encoded
 * where need be. A login that stands in one URL holds for all of them.
 *
 * @param urls a list, or one text separated by commas.
 * @returns `problems` says all that is wrong, and never repeats a URL: it may hold a password.
 */
export function readNatsServers(urls: string | readonly string[]): NatsServers & { problems: string[] } {
  const list = (typeof urls === "string" ? urls.split(",") : [...urls]).map((one) => String(one).trim());
  const problems: string[] = [];
  const servers: string[] = [];
  const schemes = new Set<string>();
  const logins = new Map<string, NatsServers["login"]>();
  if (list.length === 0) problems.push("the list is empty; leave it out for the default");
  for (const [index, text] of list.entries()) {
    const url = parse(text);
    if (url === undefined) {
      problems.push(
        `must be URLs with nats:// or tls://, comma separated; number ${index + 1} is none ` +
          "(in a user or password, special characters are percent-encoded, %40 for @)",
      );
      continue;
    }
    servers.push(url.port === "" ? `${url.hostname}:${DEFAULT_PORT}` : url.host);
    schemes.add(url.protocol);
    const [user, pass] = [decode(url.username), decode(url.password)];
    if (user === "" && pass === "") continue;
    if (user === "") problems.push(`has a password without a user in URL number ${index + 1}`);
    logins.set(JSON.stringify([user, pass]), pass === "" ? { token: user } : { user, pass });
  }
  if (logins.size > 1) problems.push("must have the same user and password, or the same token, in all URLs");
  if (schemes.size > 1) problems.push("must be either all nats:// or all tls://");
  return { servers, login: [...logins.values()][0] ?? {}, tls: schemes.has("tls:"), problems };
}

/**
 * What the client of NATS is told of them. It leaves out by itself what the URLs say: it would connect to a `tls://` server in
 * clear text where that does not insist on TLS, and it checks the certificate of `tls://10.0.0.5` against "localhost".
 */
export function connectionOptions({ servers, login, tls }: NatsServers): NodeConnectionOptions {
  if (!tls) return { servers, ...login };
  const hosts = servers.map((server) => server.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
  const nameless = hosts.filter((host) => isIP(host) !== 0 || host === NO_NAME);
  // Passed on to Node as it is, though the client's types do not say so.
  const options = { checkServerIdentity: identityCheck(nameless) } as TlsOptions;
  return { servers, ...login, tls: options };
}

/**
 * @param nameless hosts for which the client gives no name; a certificate of any of them will do, as we trust them all alike.
 */
function identityCheck(nameless: readonly string[]) {
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    if (name !== NO_NAME) return checkServerIdentity(name, certificate);
    const failures = nameless.map((host) => checkServerIdentity(host, certificate));
    if (failures.includes(undefined)) return undefined;
    return failures[0] ?? new Error("the server's name is not known: its certificate cannot be checked");
  };
}
