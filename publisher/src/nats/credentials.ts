/** When the login at NATS expires, and a warning before: from then on no event is stored. */

import { readFileSync } from "node:fs";

/**
 * Returns when a credentials file or a token expires, in seconds since 1970; undefined when it does not
 * expire, or is no JWT.
 */
export function expiryOf(text: string): number | undefined {
  const [, inFile] = /BEGIN NATS USER JWT-+\s+(\S+)/.exec(text) ?? [];
  const payload = (inFile ?? text).split(".")[1] ?? "";
  try {
    const { exp } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { exp?: unknown };
    return typeof exp === "number" && exp > 0 ? exp : undefined;
  } catch {
    return undefined;
  }
}

export interface CredentialsWatchOptions {
  credentialsFile: string | undefined;
  /** Token of the servers' URLs. */
  token: string | undefined;
  /** Called once a day from 30 days before the end on. */
  warn: (message: string) => void;
  /** Milliseconds since 1970. Default: the clock. */
  now?: () => number;
}

const DAY_SECONDS = 86_400;
const WARN_SECONDS = 30 * DAY_SECONDS;
/** How long the content of the file is used before the file is read again: somebody may replace the file. */
const READ_AGAIN_MS = 60_000; // 1 min

export class CredentialsWatch {
  readonly #options: CredentialsWatchOptions;
  readonly #now: () => number;
  #end: number | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  /** Day of the last warning, and the end that it named. */
  #warnedOn = Number.NEGATIVE_INFINITY;
  #warnedOf: number | undefined;

  constructor(options: CredentialsWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** When the credentials expire that the next connection uses, seconds since 1970; undefined: never. */
  get end(): number | undefined {
    const now = this.#now();
    // A clock that was set back must not keep an old content.
    if (Math.abs(now - this.#readAt) < READ_AGAIN_MS) return this.#end;
    this.#readAt = now;
    this.#end = this.#read();
    return this.#end;
  }

  #read(): number | undefined {
    const { credentialsFile, token = "" } = this.#options;
    if (credentialsFile === undefined) return expiryOf(token);
    try {
      return expiryOf(readFileSync(credentialsFile, "utf8"));
    } catch {
      return this.#end; // The file is being replaced, or is gone; the next connection reports that.
    }
  }

  /** Warns if the credentials expire soon. May be called often. */
  check(): void {
    const { end } = this;
    const now = this.#now() / 1000;
    if (end === undefined || end - now > WARN_SECONDS) return;
    const day = Math.floor(now / DAY_SECONDS);
    if (day === this.#warnedOn && end === this.#warnedOf) return;
    this.#warnedOn = day;
    this.#warnedOf = end;
    this.#options.warn(this.#message(end, now));
  }

  #message(end: number, now: number): string {
    const { credentialsFile } = this.#options;
    const date = new Date(end * 1000).toISOString();
    const when =
      end <= now
        ? `expired at ${date}`
        : `expires in ${Math.floor((end - now) / DAY_SECONDS)} days, at ${date}`;
    return credentialsFile === undefined
      ? `the token for NATS ${when}: use another token`
      : `the user in ${credentialsFile} ${when}: replace the file, which is read at each connection`;
  }
}
