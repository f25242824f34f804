// @ts-check
/**
 * One lasting connection to an odin-ws gateway: it outlives its sockets, and loses and repeats nothing that can be had.
 * It knows the protocol and no page. The page hears of envelopes, of states and, for its log, of notes.
 */

import { InOrder } from "./in-order.js";
import { Seen } from "./seen.js";

/**
 * @import { Envelope, ErrorMessage, HeartbeatAck, Position, ServerMessage, SubscriptionAck, ThrottleUpdate, Welcome } from "@odin-ws/protocol"
 *
 * @typedef {{ name: "offline" | "connecting" | "open" }
 *   | { name: "waiting", until: number, code: number, opened: boolean }
 *   | { name: "refused", code: number }} State `until` by Date.now(); `opened`: the last socket got as far as its welcome.
 * @typedef {"history" | "resume" | "throttle"} Reason  Why older messages were asked for.
 * @typedef {{ type: "welcome", instance: string, again: boolean }
 *   | { type: "recovery", reason: Reason, recovered: boolean, replayed: number }
 *   | { type: "gap", from: number, to: number } | { type: "repaired", from: number, to: number }
 *   | { type: "throttle", level: number, ratePercent: number, dropped: number }
 *   | { type: "epoch", epoch: string } | { type: "reconnect", inMs: number, reason: string } | { type: "closed", code: number, reason: string, opened: boolean }
 *   | { type: "error", code: string, message: string }} Note
 * @typedef {object} Listener
 * @property {(state: State) => void} state
 * @property {(envelope: Envelope, old: boolean) => void} message  `old`: it was sent again, so its age is no latency.
 * @property {(note: Note) => void} note
 */

/** Wait before a reconnect while no welcome has named a window. */
const FIRST_WINDOW = { min_ms: 500, max_ms: 5_000 };
const LONGEST_WAIT = 30_000; // 30 s
/** A connection that lived this long was a good one: the next wait is short again. */
const PROVEN = 10_000; // 10 s
/** How long the gateway may take for the welcome, for a heartbeat's answer, for a replay. */
const PATIENCE = 10_000; // 10 s
/** Before a replay is asked for again that came too early. */
const RETRY = 500; // 0.5 s
const TOKEN_EXPIRED = 4401;

export class Connection {
  /** What a status bar shows. `clockAheadMs`: the gateway's clock minus ours, 0 when they agree. */
  stats = {
    instance: "",
    epoch: "",
    offset: 0,
    gaps: 0,
    repaired: 0,
    lost: 0,
    reconnects: 0,
    duplicates: 0,
    level: 0,
    clockAheadMs: 0,
  };
  /** Lets this many envelopes fall on the floor, to watch a gap being repaired. */
  skip = 0;

  #url;
  #on;
  #history;
  /** @type {WebSocket | undefined} */ #socket;
  /** @type {State} */ #state = { name: "offline" };
  /** @type {Set<string>} */ #channels = new Set();
  #inOrder = new InOrder(this.#handler());
  #seen = new Seen();

  #attempt = 0;
  #window = FIRST_WINDOW;
  #openedAt = 0;
  #returnAt = 0;
  #heardAt = 0;
  #beatSentAt = 0;
  #shortestTrip = Number.POSITIVE_INFINITY;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #reconnectTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #answerTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #replayTimer;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #beatTimer;

  /** Of the newest message that was passed on. @type {Position | undefined} */ #position;
  /** Lower than the position while something above it is still to come. @type {Position | undefined} */ #floor;
  /** After it, a throttling gateway leaves messages out. @type {Position | undefined} */ #throttled;
  /** Subscriptions with `since` that wait for their answer. @type {{ reason: Reason, missing: number }[]} */
  #asked = [];
  /** Envelopes still to come that are sent because of `since`. */
  #replaying = 0;
  /** Envelopes of a gap that was open when the socket was lost. */
  #missing = 0;

  /**
   * @param {string} url
   * @param {Listener} on
   * @param {{ history?: number }} [options] `history`: how many offsets a new subscription looks back, if the gateway still has them
   */
  constructor(url, on, { history = 0 } = {}) {
    this.#url = url;
    this.#on = on;
    this.#history = history;
  }

  get state() {
    return this.#state;
  }

  /** Connects now, also in the middle of a wait. Does nothing when connected. */
  connect() {
    if (this.#socket !== undefined) return;
    clearTimeout(this.#reconnectTimer);
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#openedAt = 0;
    this.#returnAt = 0;
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#lose(code, reason);
    this.#answerTimer = setTimeout(() => this.#lose(1006, "no welcome"), PATIENCE);
    this.#enter({ name: "connecting" });
  }

  /** Leaves and stays away. The position is kept: a later connect() resumes. */
  disconnect() {
    this.#drop();
    clearTimeout(this.#reconnectTimer);
    this.#attempt = 0;
    this.#enter({ name: "offline" });
  }

  /** Behaves as if the network had cut the connection. */
  kill() {
    if (this.#socket === undefined) return;
    this.#attempt = 0;
    this.#lose(1006, "cut by hand");
  }

  /** Asks whether the other end still lives: after sleep, after a change of network. */
  check() {
    if (this.#state.name === "open") this.#heartbeat();
  }

  /** @param {string[]} channels */
  subscribe(channels) {
    const added = channels.filter((channel) => !this.#channels.has(channel));
    for (const channel of added) this.#channels.add(channel);
    if (this.#state.name === "open") this.#subscribe(added, this.#lookBack(), "history");
  }

  /** @param {string[]} channels */
  unsubscribe(channels) {
    const removed = channels.filter((channel) => this.#channels.delete(channel));
    if (removed.length > 0) this.#send({ type: "unsubscribe", channels: removed });
  }

  // ——— the socket's life ———

  /** @param {State} state */
  #enter(state) {
    this.#state = state;
    this.#on.state(state);
  }

  /** @param {object} message */
  #send(message) {
    if (this.#state.name === "open") this.#socket?.send(JSON.stringify(message));
  }

  #drop() {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    clearTimeout(this.#answerTimer);
    clearTimeout(this.#replayTimer);
    clearInterval(this.#beatTimer);
    this.#floor = this.#resumeFrom();
    this.#throttled = undefined;
    for (const { missing } of this.#asked) this.#missing += missing;
    this.#missing += this.#inOrder.missing;
    this.#asked = [];
    this.#replaying = 0;
    this.stats.level = 0;
  }

  /** @param {number} code @param {string} reason */
  #lose(code, reason) {
    this.#drop();
    const opened = this.#openedAt > 0;
    this.#on.note({ type: "closed", code, reason, opened });
    if (code === TOKEN_EXPIRED) return this.#enter({ name: "refused", code });
    if (opened && performance.now() - this.#openedAt > PROVEN) this.#attempt = 0;
    const planned = this.#returnAt - performance.now();
    const wait = planned > 0 ? planned : this.#jitter(this.#attempt++);
    this.#reconnectTimer = setTimeout(() => this.connect(), wait);
    this.#enter({ name: "waiting", until: Date.now() + wait, code, opened });
  }

  /** Full jitter in the gateway's window, whose upper end doubles with each attempt. @param {number} attempt */
  #jitter(attempt) {
    const { min_ms: min, max_ms: max } = this.#window;
    const end = Math.min(max * 2 ** attempt, Math.max(max, LONGEST_WAIT));
    return min + Math.random() * Math.max(0, end - min);
  }

  #heartbeat() {
    const sentAt = performance.now();
    this.#beatSentAt = sentAt;
    this.#send({ type: "heartbeat" });
    clearTimeout(this.#answerTimer);
    // A background tab's timers come late, so what counts is whether anything was heard since.
    this.#answerTimer = setTimeout(() => {
      if (this.#heardAt < sentAt) this.#lose(1006, "no answer to a heartbeat");
    }, PATIENCE);
  }

  // ——— what the gateway says ———

  /** @param {string} text */
  #receive(text) {
    this.#heardAt = performance.now();
    /** @type {ServerMessage} */
    const message = JSON.parse(text);
    if ("channel" in message) {
      if (this.skip > 0) this.skip--;
      else this.#inOrder.take(message);
      return;
    }
    switch (message.type) {
      case "welcome":
        return this.#welcome(message);
      case "subscription_ack":
        return this.#acknowledged(message);
      case "heartbeat_ack":
        return this.#heartbeatAck(message);
      case "replay_end":
        return this.#inOrder.answered(message.from_seq);
      case "throttle_update":
        return this.#throttleUpdate(message);
      case "reconnect":
        this.#returnAt = performance.now() + message.in_ms;
        return this.#on.note({ type: "reconnect", inMs: message.in_ms, reason: message.reason });
      case "error":
        return this.#refused(message);
    }
  }

  /** @param {Welcome} welcome */
  #welcome({ instance, epoch, offset, heartbeat_seconds, reconnect }) {
    const since = this.#resumeFrom();
    this.#openedAt = performance.now();
    this.#window = reconnect;
    this.#shortestTrip = Number.POSITIVE_INFINITY;
    this.#inOrder = new InOrder(this.#handler());
    this.stats.instance = instance;
    if (since !== undefined) this.stats.reconnects++;
    this.#enter({ name: "open" });
    this.#on.note({ type: "welcome", instance, again: since !== undefined });
    if (since?.epoch !== epoch) this.#startOver({ epoch, offset });
    this.#heartbeat();
    this.#beatTimer = setInterval(() => this.#heartbeat(), heartbeat_seconds * 1_000);
    const channels = [...this.#channels];
    if (since === undefined) this.#subscribe(channels, this.#lookBack(), "history");
    else this.#subscribe(channels, since, "resume", this.#missing);
    this.#missing = 0;
  }

  /** @param {HeartbeatAck} ack */
  #heartbeatAck({ ts, seq }) {
    const trip = performance.now() - this.#beatSentAt;
    if (trip < this.#shortestTrip) {
      this.#shortestTrip = trip;
      const ahead = ts - (Date.now() - trip / 2);
      // Half the round trip, and the milliseconds that both clocks are rounded to, are no difference.
      this.stats.clockAheadMs = Math.abs(ahead) > trip / 2 + 2 ? ahead : 0;
    }
    this.#inOrder.sent(seq);
  }

  /** @param {ErrorMessage} error */
  #refused({ code, message }) {
    this.#on.note({ type: "error", code, message });
    const { gap } = this.#inOrder;
    if (code === "rate_limited" && gap !== undefined) setTimeout(() => this.#requestReplay(gap), RETRY);
    else if (code !== "rate_limited" && code !== "unauthorized") this.#asked.shift();
  }

  /** @param {ThrottleUpdate} update */
  #throttleUpdate({ level, rate_percent, dropped, since }) {
    if (level !== this.stats.level || dropped > 0) {
      this.#on.note({ type: "throttle", level, ratePercent: rate_percent, dropped });
    }
    this.stats.level = level;
    this.#throttled = level > 0 ? since : undefined;
    if (since.epoch !== this.stats.epoch) return this.#startOver(since);
    if (level > 0 || dropped === 0) return;
    this.#floor = lower(this.#floor, since);
    this.#subscribe([...this.#channels], since, "throttle", dropped);
  }

  /** Another stream has taken the place of the one that was read: offsets count anew. @param {Position} since */
  #startOver({ epoch, offset }) {
    this.#position = { epoch, offset };
    this.#floor = undefined;
    this.#throttled = undefined;
    this.#seen.clear();
    Object.assign(this.stats, { epoch, offset });
    this.#on.note({ type: "epoch", epoch });
  }

  // ——— order, and gaps in it ———

  /** @returns {import("./in-order.js").Handler} */
  #handler() {
    return {
      pass: (envelope) => this.#pass(envelope),
      ask: (from, to) => {
        this.stats.gaps++;
        this.#on.note({ type: "gap", from, to });
        this.#replayTimer = setTimeout(() => this.#lose(1006, "no answer to a replay"), PATIENCE);
        this.#requestReplay({ from, to });
      },
      repaired: (from, to) => {
        clearTimeout(this.#replayTimer);
        this.stats.repaired += to - from + 1;
        this.#on.note({ type: "repaired", from, to });
      },
      // The gateway's history may still have it. To this connection it counts as delivered, so that a new one has to ask.
      hopeless: () => this.#lose(1006, "a gap can't be repaired here"),
    };
  }

  /** @param {{ from: number, to: number }} gap */
  #requestReplay({ from, to }) {
    if (this.#inOrder.gap?.from === from) this.#send({ type: "replay", from_seq: from, to_seq: to });
  }

  /** @param {Envelope} envelope */
  #pass(envelope) {
    const { offset } = envelope;
    const old = this.#replaying > 0 || this.#inOrder.gap !== undefined;
    if (this.#replaying > 0 && --this.#replaying === 0) this.#floor = undefined;
    if (this.#position !== undefined && offset > this.#position.offset) {
      this.#position.offset = offset;
      this.stats.offset = offset;
    }
    if (this.#seen.add(offset)) this.#on.message(envelope, old);
    else this.stats.duplicates++;
  }

  // ——— positions in the stream ———

  /** After it something may be missing. @returns {Position | undefined} */
  #resumeFrom() {
    return this.#position && lower(this.#floor, lower(this.#throttled, { ...this.#position }));
  }

  #lookBack() {
    if (this.#history === 0 || this.#position === undefined) return undefined;
    return { epoch: this.#position.epoch, offset: Math.max(0, this.#position.offset - this.#history) };
  }

  /**
   * @param {string[]} channels
   * @param {Position | undefined} since
   * @param {Reason} reason
   */
  #subscribe(channels, since, reason, missing = 0) {
    if (channels.length === 0) return;
    if (since !== undefined) this.#asked.push({ reason, missing });
    this.#send({ type: "subscribe", channels, since });
  }

  /** @param {SubscriptionAck} ack */
  #acknowledged({ recovered, replayed = 0 }) {
    if (recovered === undefined) return;
    const { reason, missing } = this.#asked.shift() ?? { reason: "resume", missing: 0 };
    this.#replaying += replayed;
    if (this.#replaying === 0) this.#floor = undefined;
    if (recovered) this.stats.repaired += missing;
    else this.stats.lost += missing;
    this.#on.note({ type: "recovery", reason, recovered, replayed });
  }
}

/** @param {Position | undefined} a @param {Position} b */
const lower = (a, b) => (a !== undefined && a.offset < b.offset ? a : b);
