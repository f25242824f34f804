import { BURN_RATES, SLOS, THRESHOLDS } from "@odin-ws/monitoring/limits";

/** What one gateway did since the judgement began, or several gateways together. */
export interface Figures {
  /** Connections that were accepted. */
  accepted: number;
  /** Connections that were refused although the client did everything right. */
  refused: number;
  /** Connections that were refused because of what the client sent, for example its token. */
  refusedClients: number;
  /** Messages that were sent to clients. */
  sent: number;
  /** Messages that were dropped instead of being sent. */
  dropped: number;
  /** Messages whose latency was measured. */
  timed: number;
  /** Messages that reached the socket later than the objective allows. */
  late: number;
  /** How often the process has started again. */
  restarts: number;
}

/** Figures without any event. */
export const NO_FIGURES: Figures = {
  accepted: 0,
  refused: 0,
  refusedClients: 0,
  sent: 0,
  dropped: 0,
  timed: 0,
  late: 0,
  restarts: 0,
};

interface Ratio {
  /** Words that follow a share: `2 % of …`. */
  what: string;
  bad: (figures: Figures) => number;
  all: (figures: Figures) => number;
  /** Share of bad events that is always accepted. */
  limit: number;
}

const RATIOS: readonly Ratio[] = [
  {
    what: "connection attempts were refused",
    bad: ({ refused }) => refused,
    all: ({ accepted, refused }) => accepted + refused,
    limit: 1 - SLOS.connections.objective,
  },
  {
    what: "connection attempts were refused because of what the client sent, such as its token",
    bad: ({ refusedClients }) => refusedClients,
    all: ({ accepted, refusedClients }) => accepted + refusedClients,
    limit: THRESHOLDS.clientRejections.value,
  },
  {
    what: "deliveries were late",
    bad: ({ late }) => late,
    all: ({ timed }) => timed,
    limit: 1 - SLOS.latency.objective,
  },
  {
    what: "deliveries were dropped",
    bad: ({ dropped }) => dropped,
    all: ({ sent, dropped }) => sent + dropped,
    limit: THRESHOLDS.dropRate.value,
  },
];

/** Bad events that there must be: fewer prove nothing. The same number as for alerts on the error budgets. */
const MIN_BAD = Math.min(...BURN_RATES.map(({ minEvents }) => minEvents));
/** A share is worse when it is more than this many times the share of the other gateways. */
const FACTOR = 2;

/** Adds the figures of several gateways. */
export function sum(all: readonly Figures[]): Figures {
  const total = { ...NO_FIGURES };
  for (const one of all) for (const key of Object.keys(total) as (keyof Figures)[]) total[key] += one[key];
  return total;
}

/**
 * In what the canary is worse than the other gateways, in words; empty when it is not worse. A share of bad
 * events counts as worse when it breaks the objective, and is more than twice the share of the others. So a
 * bad time that all gateways have is not the canary's fault.
 *
 * @param others the figures of each other gateway
 */
export function worseIn(canary: Figures, others: readonly Figures[]): string[] {
  const rest = sum(others);
  const ratios = RATIOS.flatMap(({ what, bad, all, limit }) => {
    const share = part(bad(canary), all(canary));
    const usual = part(bad(rest), all(rest));
    const isWorse = bad(canary) >= MIN_BAD && share > limit && share > FACTOR * usual;
    return isWorse ? [`${percent(share)} of ${all(canary)} ${what}, ${percent(usual)} on the others`] : [];
  });
  const usual = part(rest.restarts, others.length);
  const restarted =
    canary.restarts > FACTOR * usual
      ? [`the gateway restarted ${canary.restarts} times, the others ${rounded(usual)} times on average`]
      : [];
  return [...restarted, ...ratios];
}

/** The figures in one line, for the log of the update. */
export function inWords(figures: Figures): string {
  const shares = [
    `${figures.accepted} connections, ${figures.refused + figures.refusedClients} refused`,
    `${figures.sent} deliveries, ${figures.dropped} dropped, ${figures.late} late`,
  ];
  return [...shares, `${figures.restarts} restarts`].join("; ");
}

const part = (bad: number, all: number): number => (all === 0 ? 0 : bad / all);
const rounded = (value: number): string => String(Math.round(value * 10) / 10);
const percent = (share: number): string => `${rounded(share * 100)} %`;
