/** Faults of the lines between clients and the load balancer, and what users do. */

import { pause } from "../../harness/wait.ts";
import type { Fault } from "../schedule.ts";
import { HEAVY_EVERY } from "../site/channels.ts";
import type { Site } from "../site/site.ts";
import { losePackets } from "./packets.ts";

/** Bytes after which a line is cut: most frames have 100 to 300. */
const CUT_WITHIN = 400;
/** Bytes after which each new connection of a line ends: behind the welcome, in the resume. */
const FLAP_BYTES = [600, 4000] as const;

export const lineFaults = {
  async "line-cut"(site: Site, { target }: Fault) {
    site.lines[target]?.cut();
  },
  async "line-cut-in-frame"(site: Site, { target, detail }: Fault) {
    site.lines[target]?.cutAfter(1 + Math.floor(detail * CUT_WITHIN));
  },

  /** The connection and each new one end soon, in the middle of a resume. */
  async "line-flap"(site: Site, { target, lasts, detail }: Fault) {
    const line = site.lines[target];
    if (line === undefined || line.newEndAfter !== undefined) return;
    const [least, most] = FLAP_BYTES;
    line.newEndAfter = Math.floor(least + detail * (most - least));
    line.cut();
    // The application knows nothing of the bad line and always tries again.
    const again = setInterval(() => site.viewers[target]?.online(), AGAIN_MS);
    await pause(lasts);
    clearInterval(again);
    line.newEndAfter = undefined;
    site.viewers[target]?.online();
  },

  async "line-stall"(site: Site, { target, lasts }: Fault) {
    site.lines[target]?.stall();
    await pause(lasts);
  },

  /** The packets of the client are lost, or the packets to the client. */
  async "line-one-way"(site: Site, { target, lasts, detail }: Fault) {
    const line = site.lines[target];
    if (line === undefined) return;
    await losePackets([{ port: line.port, direction: detail < 0.5 ? "to" : "from" }], 1, lasts);
    site.viewers[target]?.online();
  },

  "line-refuse": refuse,
  "line-away": refuse,

  /** The client reads nothing. Hits a client that watches much: then the buffers of its gateway fill up. */
  async "line-slow"(site: Site, { target, lasts }: Fault) {
    const line = site.lines[target - (target % HEAVY_EVERY)];
    line?.throttle(true);
    await pause(lasts);
    line?.throttle(false);
  },

  async "client-move"(site: Site, { target, detail }: Fault) {
    site.viewers[target]?.listen(site.watchlist(target, Math.floor(detail * 1000)));
  },
  async "client-reload"(site: Site, { target }: Fault) {
    site.viewers[target]?.reload();
  },
};

const AGAIN_MS = 400;

/** No connection is possible. Then the browser reports that the network is back. */
async function refuse(site: Site, { target, lasts }: Fault): Promise<void> {
  const line = site.lines[target];
  if (line === undefined || line.refusing) return;
  line.refusing = true;
  line.cut();
  await pause(lasts);
  line.refusing = false;
  site.viewers[target]?.online();
}
