/** What the machine under test finds around it; fake-cloud.ts answers from it, reading it anew for each request. */
export interface Cloud {
  /** Instance metadata. */
  attributes: Record<string, string>;
  /** The access token of the VM's service account; undefined: it has none. */
  token?: string;
  /** Payloads by the full name of the version. */
  secrets: Record<string, string>;
  /** Contents by `BUCKET/PATH`. */
  objects: Record<string, string>;
  /** What Compute Engine tells of the VMs of a group, by the group's `projects/…`. */
  groups: Record<string, ManagedInstance[]>;
  /** What Alertmanager lists as critical. */
  critical: { labels: Record<string, string>; fingerprint: string }[];
  /** Answers that differ from these. */
  faults: Fault[];
}

export interface ManagedInstance {
  /** URL. */
  instance: string;
  /** `NONE`, `DELETING`… */
  currentAction: string;
}

export interface Fault {
  /** Regular expression that matches host and path, for example `storage/bucket/manifest` or `:9090/-/reload`. */
  at: string;
  /** Status of the answer, 0 for none at all. */
  status: number;
  body?: string;
  /** After so many it is over. Default: never. */
  times?: number;
}

/** One request as it came in. */
export interface Request {
  method: string;
  /** `metadata`, `secrets`, `storage`, `monitoring`, `compute`, or the port of a container. */
  to: string;
  path: string;
  authorization: string;
  body: string;
  /** Of a metadata request: the header that proves that it was meant. */
  flavor: string;
}
