/** What must hold for all clients and the publisher, while the faults last and after them. */

import { Model, type Violation } from "./model.ts";
import type { Site } from "./site/site.ts";

/** The publisher has stored everything after this time without a fault of NATS, ms. */
const STORED_MS = 10_000;

/** @param now time of a check while the run lasts, ms. Default: the run is over. */
export function checkClients(site: Site, now = Infinity): Violation[] {
  const model = new Model(site.stored, site.losses);
  const journals = site.viewers.flatMap((viewer) => viewer.journals);
  return [
    ...journals.flatMap((journal) => model.check(journal, now)),
    ...site.viewers.flatMap(({ errors }) => errors),
  ];
}

export function checkPublisher(site: Site, now: number): Violation[] {
  const waits = Math.min(site.oldestUnstoredMs, site.natsCalmMs);
  if (waits < STORED_MS) return [];
  const what = `a message is not known to be stored ${waits} ms after publish() and the last fault of NATS`;
  return [{ who: "the publisher", at: now, what }];
}
