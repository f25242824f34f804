import { IN_TIME_SECONDS, JOB, METRIC, OTHER_METRIC, REFUSALS } from "@odin-ws/monitoring/limits";
import { type Figures, NO_FIGURES } from "./verdict.ts";

const LIMIT_MS = 15_000; // 15 s for one query

/** A result of a query: its labels and its value. */
interface Sample {
  labels: Record<string, string>;
  value: number;
}

/** Runs a PromQL query for the present moment. */
export type Ask = (query: string) => Promise<Sample[]>;

/** Asks a Prometheus server. @throws Error when the server gives no answer, or refuses the query */
export function prometheus(url: string): Ask {
  return async (query) => {
    const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`, {
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`Prometheus answered ${response.status}: ${text.slice(0, 200)}`);
    const { data } = JSON.parse(text) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  };
}

/** Names of the gateways that answer Prometheus now. */
export async function answering(ask: Ask): Promise<Set<string>> {
  const samples = await ask(`${OTHER_METRIC.up}{job="${JOB.gateway}"} == 1`);
  return new Set(samples.map(({ labels }) => labels.instance ?? ""));
}

/**
 * What each gateway did in the last `seconds`, by its name. Prometheus has the counters of all gateways at
 * the same moments, also of a gateway that crashed in between.
 */
export async function figuresOf(ask: Ask, seconds: number): Promise<Map<string, Figures>> {
  const window = `[${Math.max(1, Math.round(seconds))}s]`;
  const job = `job="${JOB.gateway}"`;
  const increase = (metric: string, labels = "") =>
    `sum by (instance) (increase(${metric}{${job}${labels}}${window}))`;
  const reasons = (names: readonly string[]) => `, reason=~"${names.join("|")}"`;
  const timed = `${METRIC.messageLatency}_count`;
  const inTime = `${METRIC.messageLatency}_bucket`;
  // A process that lives for seconds is often missed by scrapes, so changes of `up` count as well.
  const restarts = `max by (instance) (resets(${OTHER_METRIC.cpuSeconds}{${job}}${window}) or floor(changes(${OTHER_METRIC.up}{${job}}${window}) / 2))`;
  const queries: Record<Exclude<keyof Figures, "late"> | "inTime", string> = {
    accepted: increase(METRIC.connectionsTotal),
    refused: increase(METRIC.connectionsRejected, reasons(REFUSALS.ours)),
    refusedClients: increase(METRIC.connectionsRejected, reasons(REFUSALS.client)),
    sent: increase(METRIC.messagesSent),
    dropped: increase(METRIC.messagesDropped),
    timed: increase(timed),
    inTime: increase(inTime, `, le="${IN_TIME_SECONDS}"`),
    restarts,
  };
  const figures = new Map<string, Figures & { inTime: number }>();
  for (const [name, query] of Object.entries(queries))
    for (const { labels, value } of await ask(query)) {
      const instance = labels.instance ?? "";
      const one = figures.get(instance) ?? { ...NO_FIGURES, inTime: 0 };
      figures.set(instance, { ...one, [name]: Math.round(value) });
    }
  return new Map(
    [...figures].map(([instance, { inTime: punctual, ...one }]) => [
      instance,
      { ...one, late: Math.max(0, one.timed - punctual) },
    ]),
  );
}
