/** What Prometheus, Alertmanager and Loki answer, read as far as tests need it. */

import { get } from "../harness/http.ts";

/** A series or a stream with its labels. */
export interface Found {
  labels: Record<string, string>;
  /** The last value, or the last line. */
  last: string;
}

interface Answered {
  status: string;
  error?: string;
  data: { resultType: string; result: Row[] };
}

interface Row {
  metric?: Record<string, string>;
  stream?: Record<string, string>;
  value?: [number, string];
  values?: [number | string, string][];
}

/** How long before now a range begins, s. */
const RANGE = 60;

/** @throws Error with what the program says when it refuses the query */
async function ask(url: string, parameters: Record<string, string>): Promise<Found[]> {
  const { status, body } = await get(`${url}?${new URLSearchParams(parameters)}`);
  if (status !== 200) throw new Error(`${status} ${body.trim()}`);
  const { data } = JSON.parse(body) as Answered;
  return (Array.isArray(data.result) ? data.result : []).flatMap(({ metric, stream, value, values = [] }) => {
    const last = value ?? values.at(-1);
    return last === undefined ? [] : [{ labels: metric ?? stream ?? {}, last: last[1] }];
  });
}

/** A query at this moment. */
export function promql(url: string, query: string): Promise<Found[]> {
  return ask(`${url}/api/v1/query`, { query });
}

/** A query over the last minute, a point a second. */
export function promqlRange(url: string, query: string): Promise<Found[]> {
  const end = Date.now() / 1000;
  const range = { start: String(end - RANGE), end: String(end), step: "1" };
  return ask(`${url}/api/v1/query_range`, { query, ...range });
}

/** A query of logs, over the last five minutes or at this moment. */
export function logql(url: string, query: string, instant = false): Promise<Found[]> {
  if (instant) return ask(`${url}/loki/api/v1/query`, { query });
  return ask(`${url}/loki/api/v1/query_range`, { query, since: "5m", limit: "1000" });
}

/** Label sets of all streams. */
export async function streams(url: string): Promise<Record<string, string>[]> {
  const { body } = await get(`${url}/loki/api/v1/series?${new URLSearchParams({ match: '{host=~".+"}' })}`);
  return (JSON.parse(body) as { data: Record<string, string>[] }).data;
}

/** Prometheus's targets, `up` or what is wrong with them, by job. */
export async function targets(url: string): Promise<Record<string, string>> {
  const { body } = await get(`${url}/api/v1/targets?state=active`);
  const { data } = JSON.parse(body) as {
    data: { activeTargets: { labels: { job: string }; health: string; lastError: string }[] };
  };
  return Object.fromEntries(
    data.activeTargets.map(({ labels, health, lastError }) => [labels.job, lastError || health]),
  );
}
