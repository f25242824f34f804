// @ts-check
/** The demo page of an odin-ws gateway: connects to /ws on its own host and shows the market and the protocol at work. */

import { Connection } from "./connection.js";
import { drawDetails } from "./details.js";
import { Feed } from "./feed.js";
import { Market } from "./market.js";
import { Meter } from "./meter.js";
import { element } from "./page.js";
import * as status from "./status.js";
import { Table } from "./table.js";

/**
 * @import { Envelope } from "@odin-ws/protocol"
 * @import { Note, State } from "./connection.js"
 * @import { Filter } from "./feed.js"
 */

/** What the page always reads; a token that is clicked adds `{SYMBOL}.*`. */
const CHANNELS = ["*.trade", "*.liquidity", "*.comment", "global.*"];
/** Offsets that a new subscription looks back, so that the page is not empty for the first seconds. */
const LOOK_BACK = 300;
const FIGURES_EVERY = 500; // ms
/** Nobody reads prices faster, and each drawing of a busy table costs a layout. */
const DRAW_EVERY = 60; // ms
const UNREACHABLE = {
  pill: "Unreachable",
  title: "The gateway can't be reached.",
  text: "It is stopped, or the network is away. This page goes on trying.",
};

const token = new URLSearchParams(location.search).get("auth");
const endpoint = new URL("/ws", location.href);
endpoint.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const url = endpoint.href;
if (token !== null) endpoint.searchParams.set("auth", token);

const REFUSED = {
  pill: "Refused",
  title: "The gateway refuses the connection.",
  text: `${
    token === null
      ? "It may want a token: open this page with ?auth=TOKEN (401)."
      : "Your token may be wrong or expired (401)."
  } Or this origin is not allowed (403), you have too many connections (429), or it is full or stopping (503). A browser isn't told which.`,
};

const market = new Market();
const meter = new Meter();
const table = new Table(element("tokens"), element("scroll"), select);
const feed = new Feed(element("feed"), element("feed-empty"));
const connection = new Connection(
  endpoint.href,
  { state: onState, message: onMessage, note: onNote },
  { history: LOOK_BACK },
);

/** @type {string | undefined} */
let selected;
/** @type {status.Trouble | undefined} */
let trouble;
let lastMessageAt = 0;
let drawing = false;
let drawnAt = 0;
let detailsChanged = false;
/** The button as which the last filter was chosen, to go back to when the token is closed. @type {Filter} */
let filter = "all";

// ——— what the connection says ———

/** @param {Envelope} envelope @param {boolean} old */
function onMessage(envelope, old) {
  const now = Date.now();
  lastMessageAt = now;
  meter.add(old ? undefined : Math.max(0, now + connection.stats.clockAheadMs - envelope.ts));
  const about = market.apply(envelope);
  feed.add(envelope);
  if (envelope.channel === "global.trending") {
    table.order(market.trending);
    if (market.trending.length > 0) element("empty").hidden = true;
  }
  if (about !== undefined) table.changed(about);
  if (selected !== undefined && (about === undefined || about.symbol === selected)) detailsChanged = true;
  requestDraw();
}

/** @param {State} state */
function onState(state) {
  if (state.name === "open") {
    trouble = undefined;
    status.hideBanner();
  }
  if (state.name === "offline") trouble = undefined;
  if (state.name === "waiting" && !state.opened) void findTrouble();
  drawState();
  element("power").textContent = state.name === "open" ? "Disconnect" : "Connect";
  for (const id of ["cut", "skip"]) {
    /** @type {HTMLButtonElement} */ (element(id)).disabled = state.name !== "open";
  }
}

/** @param {Note} note */
function onNote(note) {
  status.log(...status.tell(note));
  if (note.type === "epoch") {
    market.restart();
    feed.restart();
  }
  if (note.type === "recovery") status.showRecovery(note);
  if (note.type === "error") {
    trouble = { pill: "Refused", title: "The gateway refused a request.", text: note.message };
    if (market.trending.length > 0) status.banner("bad", trouble.title, trouble.text);
    else drawState();
  }
}

/** A WebSocket doesn't say why it was refused; what the gateway answers to plain HTTP tells at least whether it is there. */
async function findTrouble() {
  const answer = await fetch(endpoint.pathname, { cache: "no-store" }).catch(() => undefined);
  if (connection.state.name === "open" || connection.state.name === "offline") return;
  trouble = answer === undefined ? UNREACHABLE : REFUSED;
  drawState();
}

// ——— what the person does ———

element("power").addEventListener("click", () => {
  if (connection.state.name === "open") {
    status.log("disconnected by hand", "warn");
    connection.disconnect();
  } else connection.connect();
});
for (const id of ["banner-action", "empty-action"]) {
  element(id).addEventListener("click", () => connection.connect());
}
element("cut").addEventListener("click", () => connection.kill());
element("skip").addEventListener("click", () => {
  connection.skip += 5;
  status.log("throwing the next 5 envelopes away", "warn");
});
element("pause").addEventListener("click", ({ currentTarget }) => {
  feed.paused = !feed.paused;
  press(currentTarget, feed.paused);
});
element("details-close").addEventListener("click", () => select(undefined));
element("filters").addEventListener("click", ({ target }) => {
  if (target instanceof HTMLButtonElement) choose(/** @type {Filter} */ (target.dataset.filter));
});
for (const tab of document.querySelectorAll("[data-show]")) {
  tab.addEventListener("click", () => {
    document.body.dataset.tab = /** @type {HTMLElement} */ (tab).dataset.show;
    for (const other of document.querySelectorAll("[data-show]")) press(other, other === tab);
  });
}

/** Opens a token's panel and reads everything about it; the same token or none closes it. @param {string | undefined} symbol */
function select(symbol) {
  if (selected !== undefined) connection.unsubscribe([`${selected}.*`]);
  selected = symbol === selected ? undefined : symbol;
  if (selected !== undefined) connection.subscribe([`${selected}.*`]);
  table.select(selected);
  element("filter-token").hidden = selected === undefined;
  element("filter-token").textContent = selected ?? "";
  choose(selected === undefined ? "all" : "token");
  detailsChanged = true;
  requestDraw();
}

/** @param {Filter} wanted */
function choose(wanted) {
  filter = wanted;
  feed.show(filter, selected);
  for (const button of element("filters").querySelectorAll("button")) {
    press(button, button.dataset.filter === filter);
  }
}

/** @param {EventTarget | null} button @param {boolean} pressed */
function press(button, pressed) {
  if (button instanceof Element) button.setAttribute("aria-pressed", String(pressed));
}

// ——— drawing ———

function requestDraw() {
  // A hidden page gets no frames: what changed waits in the models, which are bounded.
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
}

/** @param {number} now */
function draw(now) {
  if (now - drawnAt < DRAW_EVERY) {
    requestAnimationFrame(draw);
    return;
  }
  drawnAt = now;
  drawing = false;
  if (detailsChanged) drawDetails(selected === undefined ? undefined : market.get(selected));
  detailsChanged = false;
  if (table.draw()) requestDraw();
}

function drawState() {
  const filled = market.trending.length > 0;
  status.drawState(connection.state, { filled, url, trouble, lastMessageAt });
}

function drawFigures() {
  status.drawFigures(connection, meter);
  if (connection.state.name === "waiting") drawState();
}

setInterval(drawFigures, FIGURES_EVERY);
addEventListener("resize", () => {
  table.redraw();
  detailsChanged = true;
  requestDraw();
});
addEventListener("online", () => {
  if (connection.state.name === "waiting") connection.connect();
  else connection.check();
});
addEventListener("visibilitychange", () => {
  if (!document.hidden) connection.check();
});

connection.subscribe(CHANNELS);
connection.connect();
