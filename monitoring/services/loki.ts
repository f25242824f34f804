import type { MonitoringOptions } from "../options.ts";
import { PORTS } from "./ports.ts";
import { yaml } from "./yaml.ts";

// biome-ignore lint/suspicious/noTemplateCurlyInString: Loki replaces it by the environment variable
const DATA = "${LOKI_DATA}";
/** Days that Loki keeps logs. */
export const LOG_DAYS = 7;
const RETENTION = `${LOG_DAYS * 24}h`;

/**
 * First day (UTC) of which Loki keeps the logs in the bucket. The start-up script of the monitoring VM
 * chooses the day once for each disk. Until the script has chosen, the logs stay on the disk.
 */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Loki replaces it by the environment variable
const BUCKET_FROM = "${LOKI_BUCKET_FROM:-2100-01-01}";

/**
 * Configuration of Loki: one process with 400 MB, a fifth of an e2-small's memory. The limits drop lines of a
 * gateway that logs too much.
 *
 * With a bucket, Loki keeps chunks and index there, beginning with a day, and still reads those of earlier
 * days from its disk. The disk always has the write-ahead log.
 */
export function lokiFiles({ ports, logBucket }: MonitoringOptions): Record<string, string> {
  const { loki, lokiGrpc } = { ...PORTS, ...ports };
  return {
    "loki/loki.yml": yaml({
      auth_enabled: false,
      server: {
        http_listen_port: loki,
        // Not port 0: when Loki starts slowly, its parts look each other up before the system has chosen a
        // port, and then every query hangs.
        grpc_listen_address: "127.0.0.1",
        grpc_listen_port: lokiGrpc,
        log_level: "warn",
      },
      common: {
        instance_addr: "127.0.0.1",
        path_prefix: DATA,
        replication_factor: 1,
        ring: { kvstore: { store: "inmemory" } },
        storage: {
          filesystem: { chunks_directory: `${DATA}/chunks`, rules_directory: `${DATA}/rules` },
        },
      },
      schema_config: {
        configs: [
          period("2025-01-01", "filesystem"),
          ...(logBucket === undefined ? [] : [period(BUCKET_FROM, "gcs")]),
        ],
      },
      ...(logBucket === undefined ? {} : { storage_config: { gcs: { bucket_name: logBucket } } }),
      compactor: {
        working_directory: `${DATA}/compactor`,
        retention_enabled: true,
        // Nobody sends requests to delete logs, so their list need not survive the disk.
        delete_request_store: "filesystem",
      },
      ingester: {
        // By default Loki waits 15 s until it is ready, for the other members of a cluster. It has none.
        lifecycler: { min_ready_duration: "0s" },
        chunk_idle_period: "15m",
        max_chunk_age: "1h",
        // After a crash Loki replays its write-ahead log. The default ceiling is 4 GB, ten times the memory
        // of the process.
        wal: { replay_memory_ceiling: "100MB", flush_on_shutdown: true },
      },
      chunk_store_config: cache("chunk_cache_config", 32),
      query_range: cache("results_cache", 16, "cache"),
      querier: { max_concurrent: 2 },
      limits_config: LIMITS,
      analytics: { reporting_enabled: false },
    }),
  };
}

const LIMITS = {
  retention_period: RETENTION,
  // For all gateways together. Gateways normally write few lines. The burst holds a minute of lines of a
  // faulty gateway.
  ingestion_rate_mb: 4,
  ingestion_burst_size_mb: 8,
  per_stream_rate_limit: "2MB",
  per_stream_rate_limit_burst: "8MB",
  max_line_size: "64KB",
  max_line_size_truncate: true,
  max_label_names_per_series: 8,
  max_streams_per_user: 2_000,
  reject_old_samples: true,
  reject_old_samples_max_age: "24h",
  // Only the log shipper sets labels.
  discover_service_name: [],
  discover_log_levels: false,
  volume_enabled: true,
  max_query_length: RETENTION,
  max_query_parallelism: 2,
  max_query_series: 500,
  max_entries_limit_per_query: 5_000,
  max_chunks_per_query: 20_000,
  query_timeout: "1m",
};

/** A period of the schema. @param from its first day (UTC) */
const period = (from: string, store: "filesystem" | "gcs") => ({
  from,
  store: "tsdb",
  object_store: store,
  schema: "v13",
  index: { prefix: "index_", period: "24h" },
});

/** A cache in the process's memory. @param megabytes largest size */
function cache(name: string, megabytes: number, inner?: string): object {
  const embedded = { embedded_cache: { enabled: true, max_size_mb: megabytes } };
  return { [name]: inner === undefined ? embedded : { [inner]: embedded } };
}
