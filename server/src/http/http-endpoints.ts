/** `GET /poll` and `GET /events`: the channels over plain HTTP. PROTOCOL.md describes both. */

import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { CLOSE } from "@odin-ws/protocol";
import { secondNow, steadyClock } from "../clock.ts";
import type { ConnectionRecords } from "../connection/connection-records.ts";
import type { ConnectionContext } from "../connection/context.ts";
import { type DrainPlan, graceMs } from "../connection/drain.ts";
import type { SeatedClients } from "../connection/seated-clients.ts";
import { HistoryReader } from "../delivery/history-reader.ts";
import type { Applicant } from "../entrance/admission.ts";
import type { Identity } from "../entrance/auth.ts";
import type { HttpClient, HttpEndpoint } from "../entrance/clients.ts";
import { EventStream } from "./event-stream.ts";
import { PollAnswers } from "./poll-answers.ts";
import { PollSessions } from "./poll-sessions.ts";
import { type Question, type RequestRefusal, readQuestion } from "./question.ts";

export interface HttpEndpointsOptions {
  context: ConnectionContext;
  records: ConnectionRecords;
  seated: SeatedClients;
  /** Name of this VM. */
  instance: string;
  /** Returns whether the bearer's token is revoked. */
  isRevoked: (identity: Identity) => boolean;
  /** The number of open streams has changed. */
  onCount: () => void;
}

/** What one poll costs its user at least, in messages of the replay budget. */
const POLL_COST = 20;
/**
 * Time between two positions on a stream. Proxies end streams that are silent for 30 or 60 s, and a client of
 * silent channels must not resume from a position that has left the history of 30 s.
 */
const POSITION_SECONDS = 10;
/** Time after which a client of a stream that has ended comes back, ms. */
const RETRY_MS = [500, 3000] as const;
const BATCH = 1000;
/** When the drain has ended a stream, its client may take this long to read the rest. */
const CLOSE_TIMEOUT_MS = 2000;

export class HttpEndpoints {
  /** By path. */
  readonly endpoints: ReadonlyMap<string, HttpEndpoint>;
  readonly #options: HttpEndpointsOptions;
  readonly #polls: PollAnswers;
  readonly #pollers: PollSessions;
  readonly #streams = new Set<EventStream>();
  #draining = false;

  constructor(options: HttpEndpointsOptions) {
    this.#options = options;
    this.#polls = new PollAnswers(options.context.history, steadyClock.now);
    this.#pollers = new PollSessions({ records: options.records, now: steadyClock.now });
    this.endpoints = new Map<string, HttpEndpoint>([
      [
        "/poll",
        {
          transport: "poll",
          takesSeat: false,
          serve: (client) => this.#servePoll(client),
          refused: (applicant, refusal) => this.#pollers.turnedAway(applicant, refusal),
        },
      ],
      ["/events", { transport: "events", takesSeat: true, serve: (client) => this.#serveStream(client) }],
    ]);
  }

  /** Open streams of server-sent events. */
  get streams(): number {
    return this.#streams.size;
  }

  // ——— polls ———

  async #servePoll(client: HttpClient): Promise<void> {
    const question = readQuestion(client, this.#options.context.limits.maxChannels);
    if ("status" in question) return this.#refusePoll(client, question);
    if (this.#isAhead(question)) await this.#checkEnd(question);
    this.#answerPoll(client, question);
  }

  #refusePoll(client: HttpClient, refusal: RequestRefusal): void {
    this.#pollers.refused(applicantOf(client), refusal);
    answerRefusal(client.response, refusal);
  }

  #answerPoll(client: HttpClient, question: Question): void {
    const { request, response, identity, ip } = client;
    const { metrics, replayBudget } = this.#options.context;
    const now = steadyClock.now();
    const account = identity === undefined ? `address ${ip}` : `user ${identity.user}`;
    const wait = replayBudget.waitMs(account, now);
    if (wait > 0) {
      metrics.messagesReceived.inc({ type: "rate_limited" });
      response.setHeader("Retry-After", Math.ceil(wait / 1000));
      const message = "too many polls: wait for Retry-After seconds";
      return this.#refusePoll(client, { status: 429, reason: "rate_limited", message });
    }
    const { etag, body, gzip, messages, recovered, cost } = this.#polls.answer(
      question.channels,
      question.since,
    );
    replayBudget.charge(account, cost.messages + POLL_COST, cost.bytes, now);
    response.setHeader("ETag", etag);
    response.setHeader("Cache-Control", "private, no-cache");
    const channels = question.channels.length;
    if (request.headers["if-none-match"] === etag) {
      this.#pollers.answered(applicantOf(client), {
        status: 304,
        channels,
        messages: 0,
        bytes: 0,
        recovered,
      });
      metrics.messagesReceived.inc({ type: "poll_not_modified" });
      response.writeHead(304).end();
      return;
    }
    metrics.messagesReceived.inc({ type: "poll" });
    const zipped = gzip !== undefined && /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
    const bytes = zipped ? gzip : body;
    const sent = { status: 200, channels, messages, bytes: bytes.length, recovered } as const;
    this.#pollers.answered(applicantOf(client), sent);
    response.writeHead(200, {
      "Content-Type": "application/json",
      "Content-Length": bytes.length,
      ...(zipped && { "Content-Encoding": "gzip" }),
    });
    response.end(bytes);
  }

  // ——— server-sent events ———

  async #serveStream(client: HttpClient): Promise<void> {
    const { context, records, seated } = this.#options;
    const question = readQuestion(client, context.limits.maxChannels);
    if ("status" in question) {
      records.requestRefused(question.reason, applicantOf(client), question.message, "events");
      answerRefusal(client.response, question);
      return seated.remove(client.seat);
    }
    if (this.#isAhead(question)) await this.#checkEnd(question);
    if (client.response.destroyed) seated.remove(client.seat);
    else this.#openStream(client, question);
  }

  #openStream({ response, identity, ip, seat }: HttpClient, question: Question): void {
    const { context, records, seated, instance } = this.#options;
    const { history, fanout, limits, tally, metrics } = context;
    const stream = new EventStream({
      id: randomBytes(9).toString("base64url"),
      response,
      identity,
      address: records.shown(ip),
      epoch: history.epoch,
      sendBufferBytes: limits.sendBufferBytes,
      second: secondNow(),
      onSent: (bytes) => tally.countSent(bytes, "plain"),
    });
    response.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "X-Accel-Buffering": "no", // asks nginx not to hold events back
    });
    const { channels, since } = question;
    const recovered = since === undefined || history.has(since);
    const from = since !== undefined && recovered ? Math.min(since.offset, history.head) : history.head;
    const [min, max] = RETRY_MS;
    stream.retryAfter(min + Math.floor(Math.random() * (max - min)));
    const welcome = { connection: stream.id, instance, epoch: history.epoch, offset: from, recovered };
    stream.event("welcome", welcome, from);
    if (since !== undefined) {
      metrics.resumes.inc({ result: recovered ? "recovered" : "lost" });
      const reader = new HistoryReader(history, from, channels);
      while (!reader.done) for (const message of reader.next(BATCH) ?? []) stream.send(message);
    }
    stream.topics = channels.map((channel) => fanout.subscribe(stream, channel));
    metrics.messagesReceived.inc({ type: "events" });
    response.once("close", () => this.#closed(stream, seat));
    this.#streams.add(stream);
    seated.add(seat, stream);
    records.opened(stream);
    this.#options.onCount();
    if (identity !== undefined && this.#options.isRevoked(identity)) this.#revoke(stream);
    if (this.#draining) stream.close(CLOSE.restart, "this gateway is being replaced");
  }

  #closed(stream: EventStream, seat: number): void {
    const { context, records, seated, onCount } = this.#options;
    for (const topic of stream.topics) context.fanout.unsubscribe(stream, topic);
    this.#streams.delete(stream);
    seated.remove(seat);
    records.closed(stream, 1006);
    onCount();
  }

  #revoke(stream: EventStream): void {
    stream.close(CLOSE.tokenExpired, "token revoked");
  }

  /** Ends the streams of tokens that are revoked now. */
  revoked(): void {
    const { isRevoked } = this.#options;
    for (const stream of this.#streams)
      if (stream.identity !== undefined && isRevoked(stream.identity)) this.#revoke(stream);
  }

  /** Another stream has begun, or messages were lost: the clients come back and learn it from `recovered`. */
  restart(reason: string): void {
    for (const stream of this.#streams) stream.close(CLOSE.restart, reason);
  }

  /** Called every second. */
  tick(second: number): void {
    this.#pollers.tick();
    const now = Date.now() / 1000;
    for (const stream of this.#streams) {
      const { expiresAt = 0 } = stream.identity ?? {};
      if (expiresAt > 0 && now >= expiresAt) stream.close(CLOSE.tokenExpired, "token expired");
      else if ((second - stream.openedAt) % POSITION_SECONDS === POSITION_SECONDS - 1)
        stream.position(this.#options.context.history.head);
    }
  }

  /** Ends all streams, spread over time; resolves when the last one has ended. */
  async drain(plan: DrainPlan): Promise<void> {
    this.#draining = true;
    const grace = graceMs(plan);
    const ends = [...this.#streams].map(async (stream) => {
      await sleep(grace + Math.random() * (plan.seconds * 1000 - grace));
      stream.close(CLOSE.restart, "this gateway is being replaced");
      await Promise.race([stream.ended, sleep(CLOSE_TIMEOUT_MS)]);
    });
    await Promise.all(ends);
  }

  /** Ends everything at once. */
  stop(): void {
    this.#pollers.endAll("the gateway stops");
    for (const stream of this.#streams) stream.close(CLOSE.leaving, "the gateway stops");
  }

  // ——— the question ———

  #isAhead({ since }: Question): boolean {
    const { history } = this.#options.context;
    return since !== undefined && since.epoch === history.epoch && since.offset > history.head;
  }

  /**
   * A client that is ahead of this gateway comes from a gateway that reads faster, or the stream went back.
   * The end of the stream decides. When the stream went back, the position is one of another stream.
   */
  async #checkEnd(question: Question): Promise<void> {
    const { streamEnd } = this.#options.context;
    const { since } = question;
    const end = await streamEnd?.();
    if (since !== undefined && end !== undefined && this.#isAhead(question) && since.offset > end)
      question.since = { ...since, epoch: "" };
  }
}

const applicantOf = ({ identity, ip }: HttpClient): Applicant => ({ user: identity?.user, ip });

function answerRefusal(response: ServerResponse, { status, reason, message }: RequestRefusal): void {
  response
    .writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" })
    .end(`${JSON.stringify({ error: reason, message })}\n`);
}
