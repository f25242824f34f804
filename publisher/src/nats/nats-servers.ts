/**
 * Reads addresses and logins of NATS servers from URLs. The publisher and the gateway use this file for
 * NATS_URL.
 */

import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { NodeConnectionOptions, TlsOptions } from "@nats-io/transport-node";

/** NATS servers and how to log in to them. */
export interface NatsServers {
  /** `host:port`, without user and password, so that the text may be logged. */
  servers: string[];
  /** Percent-decoded. Empty: no login in the URLs. */
  login: { user?: string; pass?: string; token?: string };
  /** The URLs begin with `tls://`: a connection without TLS is not used. */
  tls: boolean;
}

const DEFAULT_PORT = "4222";
/** The name that Node checks a certificate against when the NATS client gives no name. */
const NO_NAME = "localhost";

/** Decodes percent-encoding. Text that is not valid percent-encoding is returned as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Returns undefined for text that is not a NATS URL, for example because a password has a character that is
 * not encoded.
 */
function parse(text: string): URL | undefined {
  const isUrl = text.includes("://");
  // Most likely the second half of a URL whose password has a comma.
  if (!isUrl && text.includes("@")) return undefined;
  const url = URL.parse(isUrl ? text : `nats://${text}`);
  if (url === null || !/^(nats|tls):$/.test(url.protocol) || url.hostname === "") return undefined;
  return /^\/?$/.test(url.pathname) && url.search === "" && url.hash === "" ? url : undefined;
}

/**
 * Reads NATS URLs: `nats://host:4222` or `tls://host:4222`, with `user:password@` or `token@` before the
 * host. Special characters of a login are percent-encoded. A login in one URL is used for all servers.
 *
 * @param urls a list, or one text with commas between the URLs
 * @returns `problems` has a text for each mistake, and never repeats a URL, which may contain a password
 */
export function readNatsServers(urls: string | readonly string[]): NatsServers & { problems: string[] } {
  const list = (typeof urls === "string" ? urls.split(",") : [...urls]).map((one) => String(one).trim());
  const problems: string[] = [];
  const servers: string[] = [];
  const schemes = new Set<string>();
  const logins = new Map<string, NatsServers["login"]>();
  if (list.length === 0)
    problems.push("must not be an empty list; without a list, the default server is used");
  for (const [index, text] of list.entries()) {
    const url = parse(text);
    if (url === undefined) {
      problems.push(
        `must be URLs with nats:// or tls://, separated by commas, and number ${index + 1} is not such a URL ` +
          "(special characters in a user or password must be percent-encoded: %40 for @)",
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
 * Options of the NATS client for these servers. By itself, the client would connect to a `tls://` server
 * without TLS when the server does not require TLS, and it would check the certificate of `tls://10.0.0.5`
 * against the name "localhost".
 */
export function connectionOptions({ servers, login, tls }: NatsServers): NodeConnectionOptions {
  if (!tls) return { servers, ...login };
  const hosts = servers.map((server) => server.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""));
  const nameless = hosts.filter((host) => isIP(host) !== 0 || host === NO_NAME);
  // The NATS client passes these options on to Node, although its types do not show that.
  const options = { checkServerIdentity: identityCheck(nameless) } as TlsOptions;
  return { servers, ...login, tls: options };
}

/**
 * @param nameless hosts for which the client gives no name. A certificate of any of these hosts is accepted.
 */
function identityCheck(nameless: readonly string[]) {
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    if (name !== NO_NAME) return checkServerIdentity(name, certificate);
    const failures = nameless.map((host) => checkServerIdentity(host, certificate));
    if (failures.includes(undefined)) return undefined;
    return (
      failures[0] ??
      new Error(
        "the certificate of the server cannot be checked, because the name of the server is not known",
      )
    );
  };
}
