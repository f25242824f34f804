/**
 * The clients that poll, for the log. A poll is no connection, so nothing begins or ends by itself: a client
 * begins with its first poll, and ends when it has not polled for a while or must not poll any more. A client
 * is a user at an address; without tokens, it is an address.
 */

import { randomBytes } from "node:crypto";
import type { Polling, PollingEnd } from "../connection/connection-records.ts";
import type { Applicant } from "../entrance/admission.ts";
import type { Transport } from "../entrance/clients.ts";

/** What is written to the log. */
export interface PollRecords {
  pollingBegan(polling: Polling): void;
  pollingEnded(polling: Polling, end: PollingEnd): void;
  pollingLeftOut(): void;
  requestRefused(reason: string, applicant: Applicant, detail?: string, transport?: Transport): void;
}

export interface PollSessionsOptions {
  records: PollRecords;
  /** Milliseconds of a clock that is never set back. */
  now: () => number;
  /** Default: 50,000, about 20 MB. */
  maxSessions?: number;
}

export interface AnsweredPoll {
  status: 200 | 304;
  channels: number;
  messages: number;
  bytes: number;
  recovered: boolean;
}

export interface RefusedPoll {
  status: number;
  /** One of few words: `rate_limited`, `forbidden_channel`, … */
  reason: string;
  message: string;
}

/** Browsers let a hidden page poll once a minute. A longer silence means that the client has left. */
const IDLE_MS = 90_000;
const MAX_SESSIONS = 50_000;
/** Statuses with which a client that polled must not receive any more. */
const ENDING = [401, 403];

interface Session extends Polling {
  /** Whether the log has a line for its beginning: not before its first answer. */
  began: boolean;
  /** Times of the first and the last poll on the clock of the options, ms. */
  firstAt: number;
  lastAt: number;
  /** Reason of the last refusal; undefined after an answer. */
  refusal: string | undefined;
}

export class PollSessions {
  readonly #options: PollSessionsOptions;
  /** By user and address, the one that has not polled for the longest time first. */
  readonly #sessions = new Map<string, Session>();

  constructor(options: PollSessionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  answered(client: Applicant, { status, channels, messages, bytes, recovered }: AnsweredPoll): void {
    const { records } = this.#options;
    const session = this.#touch(client);
    if (session === undefined) return records.pollingLeftOut();
    session.channels = channels;
    session.deliveries += messages;
    session.bytes += bytes;
    session.refusal = undefined;
    session.lastAnswer = recovered ? STATUS[status] : LOST;
    if (session.began) return;
    session.began = true;
    records.pollingBegan(session);
  }

  /** A poll of a known client was refused. Several refusals in a row for one reason get one line. */
  refused(client: Applicant, refusal: RefusedPoll): void {
    const { status, reason, message } = refusal;
    const session = this.#touch(client);
    if (session?.refusal !== reason) this.#options.records.requestRefused(reason, client, message, "poll");
    if (session !== undefined) this.#noteRefusal(session, status, reason);
  }

  /** A poll was refused before it was served, and that refusal has its own line. */
  turnedAway(client: Applicant, { status, reason, message }: RefusedPoll): void {
    const key = keyOf(client);
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    this.#touch(client);
    this.#noteRefusal(session, status, reason);
    if (ENDING.includes(status)) this.#end(key, session, { by: "gateway", reason: message, code: status });
  }

  #noteRefusal(session: Session, status: number, reason: string): void {
    session.refused++;
    session.refusal = reason;
    session.lastAnswer = `${status} ${reason}`;
  }

  /** Ends the clients that have left; called every second. */
  tick(): void {
    const oldest = this.#options.now() - IDLE_MS;
    for (const [key, session] of this.#sessions) {
      if (session.lastAt > oldest) return;
      this.#end(key, session, { by: "client", reason: `no poll for ${IDLE_MS / 1000} s` });
    }
  }

  /** The gateway ends: other gateways get the next polls. */
  endAll(reason: string): void {
    for (const [key, session] of this.#sessions) this.#end(key, session, { by: "gateway", reason });
  }

  /** Returns the session of a client that polls now; undefined when there is no room for another session. */
  #touch(client: Applicant): Session | undefined {
    const { now, maxSessions = MAX_SESSIONS } = this.#options;
    const key = keyOf(client);
    let session = this.#sessions.get(key);
    if (session !== undefined) this.#sessions.delete(key);
    else if (this.#sessions.size >= maxSessions) return undefined;
    session ??= createSession(client, now());
    session.polls++;
    session.lastAt = now();
    this.#sessions.set(key, session);
    return session;
  }

  #end(key: string, session: Session, end: Pick<PollingEnd, "by" | "reason" | "code">): void {
    this.#sessions.delete(key);
    // A client that was only refused has a line for its refusal.
    if (!session.began) return;
    const { firstAt, lastAt } = session;
    this.#options.records.pollingEnded(session, {
      ...end,
      seconds: Math.round((lastAt - firstAt) / 1000),
      lastPoll: new Date(Date.now() - (this.#options.now() - lastAt)).toISOString(),
    });
  }
}

const STATUS = { 200: "200", 304: "304" } as const;
/** Messages were lost: the client fetches the present state, or connects again. */
const LOST = "200 not recovered";

// No user name can be taken for a missing one, because the address of a client has no space.
const keyOf = ({ user, ip }: Applicant): string => (user === undefined ? ip : `${ip} ${user}`);

const createSession = ({ user, ip }: Applicant, now: number): Session => ({
  ...{ id: randomBytes(9).toString("base64url"), user, ip },
  ...{ polls: 0, refused: 0, deliveries: 0, bytes: 0, channels: 0, lastAnswer: "" },
  ...{ began: false, firstAt: now, lastAt: now, refusal: undefined },
});
