// @ts-check
/** Everything that says how the connection is: pill, figures, banner, what stands in the empty table, log. */

import * as format from "./format.js";
import { element } from "./page.js";
import { put } from "./table.js";

/**
 * @import { Connection, Note, State } from "./connection.js"
 * @import { Meter } from "./meter.js"
 *
 * @typedef {"good" | "warn" | "bad" | ""} Tone
 * @typedef {object} Trouble  What the page found out about a refusal, since a WebSocket does not say.
 * @property {string} pill
 * @property {string} title
 * @property {string} text
 */

const LEVELS = ["normal", "light", "medium", "heavy"];
const MAX_LOG = 100;
const BANNER_TIME = 6_000; // 6 s
/** Latency of the slowest hundredth that is worth a colour. */
const SLOW = 250; // ms

/** What a note reads like in the log. @param {Note} note @returns {[string, Tone]} */
export function tell(note) {
  switch (note.type) {
    case "welcome":
      return [`${note.again ? "connected again" : "connected"} to ${note.instance}`, "good"];
    case "epoch":
      return [`reading stream ${note.epoch}`, ""];
    case "recovery":
      if (note.reason === "history") {
        return [
          note.recovered
            ? `look back: ${format.plural(note.replayed, "message")}`
            : "look back: the history does not reach that far",
          "",
        ];
      }
      if (note.recovered)
        return [`recovered, replayed ${format.count(note.replayed)}: nothing is missing`, "good"];
      return ["not recovered: another stream, or gone from the gateway's history. Going on from now", "bad"];
    case "gap":
      return [`gap: seq ${range(note)} missing, asking for a replay`, "warn"];
    case "repaired":
      return [`repaired: seq ${range(note)} came again`, "good"];
    case "throttle":
      if (note.level === 0 && note.dropped === 0) return ["throttle off", "good"];
      return note.level === 0
        ? [`${format.plural(note.dropped, "message")} had been left out, asking for them`, "warn"]
        : [`throttle ${note.level} ${LEVELS[note.level]}: ${note.ratePercent} % is sent`, "warn"];
    case "reconnect":
      return [`asked to come back in ${format.duration(note.inMs)}: ${note.reason}`, "warn"];
    case "closed":
      if (!note.opened) return ["refused or not reachable", "bad"];
      return [`closed ${note.code}${note.reason === "" ? "" : `: ${note.reason}`}`, "bad"];
    case "error":
      return [`${note.code}: ${note.message}`, "bad"];
  }
}

const range = (/** @type {{ from: number, to: number }} */ { from, to }) =>
  from === to ? `${from}` : `${from}–${to}`;

/** @param {string} text @param {Tone} tone */
export function log(text, tone) {
  const line = document.createElement("li");
  const when = document.createElement("time");
  when.textContent = format.time(Date.now());
  const what = document.createElement("span");
  what.textContent = text;
  what.className = tone;
  line.append(when, what);
  const list = element("log");
  list.prepend(line);
  while (list.childElementCount > MAX_LOG) list.lastElementChild?.remove();
}

/** @param {Connection} connection @param {Meter} meter */
export function drawFigures({ stats, state }, meter) {
  const { perSecond, p50, p99 } = meter.read();
  const open = state.name === "open";
  const { gaps, repaired, lost, level } = stats;
  put(element("instance"), stats.instance || format.NONE);
  put(element("epoch"), shorten(stats.epoch) || format.NONE);
  element("epoch").title = stats.epoch;
  put(element("offset"), stats.epoch === "" ? format.NONE : format.count(stats.offset));
  put(element("rate"), open ? rate(perSecond) : format.NONE);
  put(element("latency"), `${format.duration(p50)} · ${format.duration(p99)}`);
  color(element("latency"), p99 !== undefined && p99 > SLOW ? "warn" : "");
  element("latency").title =
    stats.clockAheadMs === 0 ? "" : `corrected by ${Math.round(stats.clockAheadMs)} ms between the clocks`;
  put(element("gaps"), `${format.count(gaps)} · ${format.count(repaired)} · ${format.count(lost)}`);
  color(element("gaps"), lost > 0 ? "bad" : "");
  put(element("reconnects"), format.count(stats.reconnects));
  put(element("throttle"), `${level} ${LEVELS[level] ?? ""}`);
  color(element("throttle"), level > 0 ? "warn" : "");
  put(element("pulse"), open ? `${rate(perSecond)}/s · ${format.duration(p99)}` : "");
}

const rate = (/** @type {number} */ perSecond) =>
  perSecond < 10 ? perSecond.toFixed(1) : format.count(perSecond);

const shorten = (/** @type {string} */ text) => (text.length > 14 ? `${text.slice(0, 13)}…` : text);

/** @param {Element} target @param {Tone} tone */
function color(target, tone) {
  if (target.className !== tone) target.className = tone;
}

/** @param {Extract<Note, { type: "recovery" }>} note */
export function showRecovery({ reason, recovered, replayed }) {
  if (reason === "history") return;
  const result = element("resume");
  result.textContent = recovered ? `recovered, replayed ${format.count(replayed)}` : "not recovered";
  color(result, recovered ? "good" : "bad");
  if (recovered) {
    banner("good", "Recovered", `${format.plural(replayed, "message")} replayed, none missing, none twice.`);
  } else {
    banner(
      "bad",
      "Not recovered",
      "The stream is another one, or what was missed has left the gateway's history. The next trending list sets the prices right.",
    );
  }
  bannerTimer = setTimeout(hideBanner, BANNER_TIME);
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let bannerTimer;

/** @param {Tone} tone @param {string} title @param {string} text @param {string} [action] label of the button */
export function banner(tone, title, text, action) {
  clearTimeout(bannerTimer);
  element("banner").className = `banner ${tone}`;
  put(element("banner-title"), title);
  put(element("banner-text"), text);
  put(element("banner-action"), action ?? "");
  element("banner-action").hidden = action === undefined;
  element("banner").hidden = false;
}

export function hideBanner() {
  clearTimeout(bannerTimer);
  element("banner").hidden = true;
}

/**
 * Says in which state the connection is: in the pill, in the banner when the table has something to show, else in the table.
 *
 * @param {State} state
 * @param {{ filled: boolean, url: string, trouble: Trouble | undefined, lastMessageAt: number }} page
 */
export function drawState(state, { filled, url, trouble, lastMessageAt }) {
  document.body.dataset.state = state.name;
  const { pill, tone, title, text, action } = phrase(state, url, trouble);
  put(element("state"), pill);
  element("pill").dataset.tone = tone;
  document.title = state.name === "open" ? "ODIN market" : `${pill} · ODIN market`;
  element("empty").hidden = filled;
  put(element("empty-title"), title);
  put(element("empty-text"), text);
  put(element("empty-action"), action ?? "");
  element("empty-action").hidden = action === undefined;
  if (state.name === "open" || !filled) return;
  banner(tone, title, `${text} Prices are of ${format.time(lastMessageAt)}.`, action);
}

/**
 * @param {State} state
 * @param {string} url
 * @param {Trouble | undefined} trouble
 * @returns {{ pill: string, tone: Tone, title: string, text: string, action?: string }}
 */
function phrase(state, url, trouble) {
  switch (state.name) {
    case "connecting":
      return {
        pill: "Connecting",
        tone: "warn",
        title: trouble?.title ?? "Connecting …",
        text: trouble?.text ?? `to ${url}.`,
      };
    case "open":
      return {
        pill: "Live",
        tone: "good",
        title: trouble?.title ?? "Connected.",
        text: trouble?.text ?? "Waiting for the first trending list. It comes every 5 s.",
      };
    case "offline":
      return {
        pill: "Disconnected",
        tone: "warn",
        title: "Disconnected by you.",
        text: "Messages go on without you; connecting again resumes where you left.",
        action: "Connect",
      };
    case "waiting": {
      const seconds = Math.max(0, Math.ceil((state.until - Date.now()) / 1_000));
      const title = trouble?.title ?? (state.opened ? "Connection lost." : "No connection.");
      const text = trouble?.text ?? "It comes back by itself and resumes from the last offset.";
      const pill = `${trouble?.pill ?? "Lost"} · again in ${seconds} s`;
      return { pill, tone: trouble ? "bad" : "warn", title, text, action: "Try now" };
    }
    case "refused":
      return {
        pill: "Refused",
        tone: "bad",
        title: "Your token has expired.",
        text: "Open this page with a fresh one: ?auth=TOKEN.",
        action: "Try again",
      };
  }
}
