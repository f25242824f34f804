/** Queries to Prometheus and Loki, with the parts of their answers that tests need. */

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

/** Length of a range that ends now, seconds. */
const RANGE = 60;

/** Runs a query. @throws Error with the answer when the program refuses the query */
async function runQuery(url: string, parameters: Record<string, string>): Promise<Found[]> {
  const { status, body } = await get(`${url}?${new URLSearchParams(parameters)}`);
  if (status !== 200) throw new Error(`${status} ${body.trim()}`);
  const { data } = JSON.parse(body) as Answered;
  return (Array.isArray(data.result) ? data.result : []).flatMap(({ metric, stream, value, values = [] }) => {
    const last = value ?? values.at(-1);
    return last === undefined ? [] : [{ labels: metric ?? stream ?? {}, last: last[1] }];
  });
}

/** Runs a PromQL query for the current time. */
export function promql(url: string, query: string): Promise<Found[]> {
  return runQuery(`${url}/api/v1/query`, { query });
}

/** Runs a PromQL query over the last minute, with a point for each second. */
export function promqlRange(url: string, query: string): Promise<Found[]> {
  const end = Date.now() / 1000;
  const range = { start: String(end - RANGE), end: String(end), step: "1" };
  return runQuery(`${url}/api/v1/query_range`, { query, ...range });
}

/** Runs a LogQL query over the last five minutes, or for the current time. */
export function logql(url: string, query: string, instant = false): Promise<Found[]> {
  if (instant) return runQuery(`${url}/loki/api/v1/query`, { query });
  return runQuery(`${url}/loki/api/v1/query_range`, { query, since: "5m", limit: "1000" });
}

/** Labels of all log streams. */
export async function streams(url: string): Promise<Record<string, string>[]> {
  const { body } = await get(`${url}/loki/api/v1/series?${new URLSearchParams({ match: '{host=~".+"}' })}`);
  return (JSON.parse(body) as { data: Record<string, string>[] }).data;
}

/** Health of Prometheus's targets by job: `up` or the last error. */
export async function targets(url: string): Promise<Record<string, string>> {
  const { body } = await get(`${url}/api/v1/targets?state=active`);
  const { data } = JSON.parse(body) as {
    data: { activeTargets: { labels: { job: string }; health: string; lastError: string }[] };
  };
  return Object.fromEntries(
    data.activeTargets.map(({ labels, health, lastError }) => [labels.job, lastError || health]),
  );
}
