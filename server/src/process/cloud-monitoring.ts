/**
 * Tells Cloud Monitoring how many connections this VM holds; the autoscaler scales on it.
 *
 * Source for names and limits: https://cloud.google.com/compute/docs/autoscaler/scaling-cloud-monitoring-metrics and
 * https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/create
 */

import { readFileSync } from "node:fs";
import type { MetricServiceClient } from "@google-cloud/monitoring/build/src/v3/metric_service_client.js";
import { atMostEvery, type Log } from "../log.ts";

/** INT64 gauge, one per VM. */
export const CONNECTIONS_METRIC = "custom.googleapis.com/odin_ws/connections";

const INTERVAL = 30_000; // 30 s: the autoscaler wants a point a minute, the API refuses two within 5 s
const DEADLINE = 10_000; // 10 s for one write, metadata and token included
const COMPLAINT_INTERVAL = 60_000; // 60 s

export interface CloudMonitoringOptions {
  /** `auto`: only on a Google Cloud VM. */
  mode: "auto" | "on" | "off";
  /** Connections of the whole VM now. */
  connections: () => number;
  log: Log;
  /** Between two points, ms; the first comes after a random part of it, so that a group does not write in step. */
  intervalMs?: number;
  /** After which a write is given up, ms. */
  deadlineMs?: number;
  /** Another API than Google's, `http://127.0.0.1:1234`. */
  apiEndpoint?: string;
  /** Told after each write how it ended. */
  onResult?: (ok: boolean) => void;
  /** What `auto` asks. */
  onGoogleCloud?: () => boolean;
}

export interface CloudMonitoring {
  /** Ends writing at once: leaves no timer and no socket. */
  stop(): void;
}

/** The VM as the API names it. */
interface Vm {
  project_id: string;
  instance_id: string;
  zone: string;
}

/** Writes one point. Throws when that failed or `signal` aborted. */
type WritePoint = (value: number, signal: AbortSignal) => Promise<void>;

/**
 * Starts writing; never throws, whatever Google's side does. Without a reason to write (`off`, or `auto` elsewhere than on
 * Google Cloud) it does nothing, and Google's library is not even loaded (20 to 40 MB of memory).
 */
export function startCloudMonitoring(options: CloudMonitoringOptions): CloudMonitoring {
  const { mode, log, intervalMs = INTERVAL, onGoogleCloud = isGoogleCloud } = options;
  if (mode === "off" || (mode === "auto" && !onGoogleCloud())) {
    log.debug({ mode }, "not writing to Cloud Monitoring");
    return { stop() {} };
  }
  const write = writeLoop(options);
  let timer: NodeJS.Timeout | undefined = setTimeout(function first() {
    timer = setInterval(write.once, intervalMs);
    write.once();
  }, Math.random() * intervalMs);
  return {
    stop() {
      clearInterval(timer);
      write.stop();
    },
  };
}

/** True on a Compute Engine VM, in its containers too. Costs one file read: no network, no wait on a laptop. */
export function isGoogleCloud(file = "/sys/class/dmi/id/bios_vendor"): boolean {
  try {
    return readFileSync(file, "utf8").includes("Google");
  } catch {
    return false; // not Linux, or no such firmware
  }
}

/** One write at a time, each with its deadline; results told and logged. */
function writeLoop(options: CloudMonitoringOptions): { once(): void; stop(): void } {
  const { connections, log, deadlineMs = DEADLINE, onResult } = options;
  let point: Promise<WritePoint> | undefined;
  let running: AbortController | undefined;
  let stopped = false;
  let healthy: boolean | undefined;
  let lastError: unknown;

  const complain = atMostEvery(COMPLAINT_INTERVAL, (count) => {
    log.error(
      { error: describe(lastError), failures: count, metric: CONNECTIONS_METRIC },
      `the connection count did not reach Cloud Monitoring, so the autoscaler does not see it; trying on. ${advice(lastError)}`,
    );
  });

  async function write(controller: AbortController): Promise<void> {
    // A plain error as the reason: what aborts with a TimeoutError, Google's HTTP client would try again.
    const late = setTimeout(
      () => controller.abort(new Error(`no answer within ${deadlineMs} ms`)),
      deadlineMs,
    );
    try {
      point ??= openWriter(options.apiEndpoint);
      await (await point)(connections(), controller.signal);
      if (!healthy)
        log.info({ metric: CONNECTIONS_METRIC }, "writing the connection count to Cloud Monitoring");
      healthy = true;
    } catch (error) {
      if (stopped) return;
      healthy = false;
      lastError = error;
      complain();
    } finally {
      clearTimeout(late);
      running = undefined;
    }
    if (!stopped) onResult?.(healthy);
  }

  return {
    once() {
      if (running) return; // the one before has not ended; two at once would only add to the trouble
      running = new AbortController();
      void write(running);
    },
    stop() {
      stopped = true;
      running?.abort(new Error("stopped"));
    },
  };
}

/** Loads Google's client, which is heavy, and so only when the first point is due. */
async function openWriter(apiEndpoint: string | undefined): Promise<WritePoint> {
  // By `default`, the whole of a CommonJS module: its other names are lost where a bundler puts it into a file of its own.
  const [{ default: monitoring }, { default: auth }] = await Promise.all([
    // This file and not the package's index: that loads seven more clients and 1.3 MB of message classes.
    import("@google-cloud/monitoring/build/src/v3/metric_service_client.js"),
    import("google-auth-library"),
  ]);
  const client: MetricServiceClient = new monitoring.MetricServiceClient({
    fallback: true, // JSON over HTTPS; gRPC would add a connection that stays open
    // The VM's own account. Left to look for credentials, the client throws where nobody can catch it when there are none.
    // (Its type asks for GoogleAuth, its code takes any client.)
    auth: new auth.Compute() as never,
    ...endpointOptions(apiEndpoint),
  });
  let vm: Vm | undefined;

  return async function writePoint(value, signal) {
    // The library has no way to cancel a question to the metadata server, but its HTTP client has defaults.
    auth.gaxios.instance.defaults.signal = signal;
    vm ??= await askVm(auth.gcpMetadata, signal);
    await client.initialize(); // where a failure can be caught; createTimeSeries would throw it at nobody
    const now = Date.now();
    const point = {
      interval: { endTime: { seconds: Math.floor(now / 1000), nanos: (now % 1000) * 1_000_000 } },
      value: { int64Value: Math.round(value) },
    };
    const series = {
      metric: { type: CONNECTIONS_METRIC },
      resource: { type: "gce_instance", labels: { ...vm } },
      metricKind: "GAUGE" as const,
      valueType: "INT64" as const,
      points: [point],
    };
    const request = { name: `projects/${vm.project_id}`, timeSeries: [series] };
    await within(signal, client.createTimeSeries(request, { signal }));
  };
}

function endpointOptions(apiEndpoint: string | undefined) {
  if (apiEndpoint === undefined) return {};
  const { protocol, hostname, port } = new URL(apiEndpoint);
  return {
    apiEndpoint: hostname,
    port: Number(port) || (protocol === "http:" ? 80 : 443),
    protocol: protocol.slice(0, -1),
  };
}

/** Asks the metadata server who this VM is. */
async function askVm(
  metadata: typeof import("google-auth-library").gcpMetadata,
  signal: AbortSignal,
): Promise<Vm> {
  try {
    const answers = Promise.all([
      metadata.project<unknown>("project-id"),
      metadata.instance<unknown>("id"), // a number of up to 20 digits, which the library keeps exact
      metadata.instance<unknown>("zone"), // projects/123/zones/us-central1-a
    ]);
    const [project, id, zone] = await within(signal, answers);
    return {
      project_id: String(project),
      instance_id: String(id),
      zone: String(zone).split("/").at(-1) ?? "",
    };
  } catch (cause) {
    throw new MetadataError(`the metadata server did not say which VM this is: ${describe(cause)}`, {
      cause,
    });
  }
}

class MetadataError extends Error {}

/** `work`, or the reason of `signal` as soon as it aborts: a step that ignored its signal would block all later writes. */
async function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a person can do about it. */
function advice(error: unknown): string {
  if (error instanceof MetadataError) {
    return "Is this a Google Cloud VM? Elsewhere set GCP_METRICS=off (or auto).";
  }
  const status = (error as { httpStatusCode?: unknown } | undefined)?.httpStatusCode;
  if (status === 401 || status === 403) {
    return "The VM's service account needs the role roles/monitoring.metricWriter and the access scope cloud-platform.";
  }
  return "If it lasts, see https://status.cloud.google.com and the VM's route to monitoring.googleapis.com.";
}
