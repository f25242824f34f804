import type { MonitoringOptions } from "../options.ts";
import { PORTS } from "./ports.ts";
import { yaml } from "./yaml.ts";

// biome-ignore lint/suspicious/noTemplateCurlyInString: Loki puts in its environment's value
const DATA = "${LOKI_DATA}";
const RETENTION = "168h"; // 7 days

/** Loki: one process with a fifth of an e2-small's memory, 400 MB. A gateway that floods loses lines, not the VM. */
export function lokiFiles({ ports }: MonitoringOptions): Record<string, string> {
  return {
    "loki/loki.yml": yaml({
      auth_enabled: false,
      server: {
        http_listen_port: { ...PORTS, ...ports }.loki,
        // Nobody asks over gRPC from elsewhere; any port, so that two of them can run on one machine.
        grpc_listen_address: "127.0.0.1",
        grpc_listen_port: 0,
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
          {
            from: "2025-01-01",
            store: "tsdb",
            object_store: "filesystem",
            schema: "v13",
            index: { prefix: "index_", period: "24h" },
          },
        ],
      },
      compactor: {
        working_directory: `${DATA}/compactor`,
        retention_enabled: true,
        delete_request_store: "filesystem",
      },
      ingester: {
        chunk_idle_period: "15m",
        max_chunk_age: "1h",
        // What a crash has left is read in pieces: by default 4 GB of it are held, ten times what the process may have.
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
  // Of all gateways together. Each writes few lines: a minute's worth of one that goes wrong fits.
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
  // Labels are those that the log shipper sets, and no others.
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

/** A cache within the process. @param megabytes that it may take */
function cache(name: string, megabytes: number, inner?: string): object {
  const embedded = { embedded_cache: { enabled: true, max_size_mb: megabytes } };
  return { [name]: inner === undefined ? embedded : { [inner]: embedded } };
}
