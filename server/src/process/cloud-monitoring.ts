/**
 * Writes the number of connections of this VM to Cloud Monitoring, where the autoscaler reads it.
 *
 * Source of names and limits:
 * https://cloud.google.com/compute/docs/autoscaler/scaling-cloud-monitoring-metrics and
 * https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/create
 */

import { readFileSync } from "node:fs";
import type { MetricServiceClient } from "@google-cloud/monitoring/build/src/v3/metric_service_client.js";
import { atMostEvery, type Log } from "../log.ts";

/** INT64 gauge, one per VM. */
const CONNECTIONS_METRIC = "custom.googleapis.com/odin_ws/connections";

/** The autoscaler needs one point a minute; the API refuses two points within 5 s. */
const INTERVAL_MS = 30_000;
/** Time for one write, including the requests for metadata and token. */
const DEADLINE_MS = 10_000;
const LOG_INTERVAL_MS = 60_000;

export interface CloudMonitoringOptions {
  /** `auto`: only on a Google Cloud VM. */
  mode: "auto" | "on" | "off";
  /** Connections of the whole VM now. */
  connections: () => number;
  log: Log;
  /**
   * Time between two points, ms. The first point follows after a random part of it, so that VMs do not write
   * in step.
   */
  intervalMs?: number;
  /** Time after which a write is given up, ms. */
  deadlineMs?: number;
  /** Base URL of another API than Google's, for example `http://127.0.0.1:1234`. */
  apiEndpoint?: string;
  /** Called after each write; `ok` is false when the write failed. */
  onResult?: (ok: boolean) => void;
  /** Decides whether `auto` writes. */
  onGoogleCloud?: () => boolean;
}

export interface CloudMonitoring {
  /** Stops writing at once, and leaves no timer and no socket. */
  stop(): void;
}

/** Labels that identify the VM in the API. */
interface Vm {
  project_id: string;
  instance_id: string;
  zone: string;
}

/** Writes one point. Throws when the write failed or `signal` aborted. */
type WritePoint = (value: number, signal: AbortSignal) => Promise<void>;

/**
 * Starts writing. Never throws, even when Google's API fails. With `off`, or with `auto` outside Google
 * Cloud, nothing is written, and Google's library (20 to 40 MB of memory) is not loaded.
 */
export function startCloudMonitoring(options: CloudMonitoringOptions): CloudMonitoring {
  const { mode, log, intervalMs = INTERVAL_MS, onGoogleCloud = isGoogleCloud } = options;
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

/**
 * True on a Compute Engine VM and in its containers. Reads only one file, so a laptop does not wait for the
 * network.
 */
export function isGoogleCloud(file = "/sys/class/dmi/id/bios_vendor"): boolean {
  try {
    return readFileSync(file, "utf8").includes("Google");
  } catch {
    return false; // not on Linux, or the firmware does not provide the file
  }
}

/** Writes one point at a time, each with a deadline. Reports results to `onResult` and to the log. */
function writeLoop(options: CloudMonitoringOptions): { once(): void; stop(): void } {
  const { connections, log, deadlineMs = DEADLINE_MS, onResult } = options;
  /** Undefined until Google's library was loaded: a load that failed is tried again. */
  let writePoint: WritePoint | undefined;
  let running: AbortController | undefined;
  let stopped = false;
  let healthy: boolean | undefined;
  let lastError: unknown;

  const logFailure = atMostEvery(LOG_INTERVAL_MS, (count) => {
    log.error(
      { error: describe(lastError), failures: count, metric: CONNECTIONS_METRIC },
      `the connection count did not reach Cloud Monitoring, so the autoscaler does not see it; retrying. ${advice(lastError)}`,
    );
  });

  async function write(controller: AbortController): Promise<void> {
    // The reason is a plain Error, because Google's HTTP client would retry after a TimeoutError.
    const late = setTimeout(
      () => controller.abort(new Error(`no answer within ${deadlineMs} ms`)),
      deadlineMs,
    );
    try {
      writePoint ??= await openWriter(options.apiEndpoint);
      await writePoint(connections(), controller.signal);
      if (!healthy)
        log.info({ metric: CONNECTIONS_METRIC }, "writing the connection count to Cloud Monitoring");
      healthy = true;
    } catch (error) {
      if (stopped) return;
      healthy = false;
      lastError = error;
      logFailure();
    } finally {
      clearTimeout(late);
      running = undefined;
    }
    if (!stopped) onResult?.(healthy);
  }

  return {
    once() {
      if (running) return; // a second write at the same time would only add load to an API that is slow
      running = new AbortController();
      void write(running);
    },
    stop() {
      stopped = true;
      running?.abort(new Error("stopped"));
    },
  };
}

/** Loads Google's client. The client is large, so it is loaded only when the first point is due. */
async function openWriter(apiEndpoint: string | undefined): Promise<WritePoint> {
  // `default` is the whole CommonJS module. Its named exports are lost when a bundler puts the module into
  // another file.
  const [{ default: monitoring }, { default: auth }] = await Promise.all([
    // Not the package's index, which loads seven more clients and 1.3 MB of message classes.
    import("@google-cloud/monitoring/build/src/v3/metric_service_client.js"),
    import("google-auth-library"),
  ]);
  const client: MetricServiceClient = new monitoring.MetricServiceClient({
    fallback: true, // JSON over HTTPS, because gRPC would keep a connection open
    // The VM's service account. Without this option the client searches for credentials, and when it finds no
    // credentials it throws an error that cannot be caught. The type requires GoogleAuth, but the code
    // accepts any client.
    auth: new auth.Compute() as never,
    ...endpointOptions(apiEndpoint),
  });
  let vm: Vm | undefined;

  return async function writePoint(value, signal) {
    // The library cannot cancel a request to the metadata server, but the defaults of its HTTP client can.
    auth.gaxios.instance.defaults.signal = signal;
    vm ??= await askVm(auth.gcpMetadata, signal);
    await client.initialize(); // a failure can be caught only here, not in createTimeSeries
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

/** Asks the metadata server for the labels of this VM. */
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
    throw new MetadataError(`the metadata server did not identify this VM: ${describe(cause)}`, {
      cause,
    });
  }
}

class MetadataError extends Error {}

/**
 * Resolves like `work`, but rejects when `signal` aborts: a step that ignores its signal must not block later
 * writes.
 */
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

/** Returns a hint what to do about an error. */
function advice(error: unknown): string {
  if (error instanceof MetadataError) {
    return "Is this a Google Cloud VM? If not, set GCP_METRICS=off (or auto).";
  }
  const status = (error as { httpStatusCode?: unknown } | undefined)?.httpStatusCode;
  if (status === 401 || status === 403) {
    return "The VM's service account needs the role roles/monitoring.metricWriter and the access scope cloud-platform.";
  }
  return "If this does not end, see https://status.cloud.google.com and the VM's route to monitoring.googleapis.com.";
}
