/** State of the fake cloud around the machine under test. fake-cloud.ts reads it again for each request. */
export interface Cloud {
  /** Name of the VM. Default: `machine-under-test`. */
  name?: string;
  /** Instance metadata. */
  attributes: Record<string, string>;
  /** The access token of the VM's service account. Undefined: the VM has no service account. */
  token?: string;
  /** Payloads by the full name of the version. */
  secrets: Record<string, string>;
  /** Contents by `BUCKET/PATH`. */
  objects: Record<string, string>;
  /** Folder of the objects that VMs write and share, each in the generation that the request names. */
  shared?: string;
  /** The VMs that Compute Engine lists for an instance group, by the group's `projects/…`. */
  groups: Record<string, ManagedInstance[]>;
  /** The critical alerts and the warnings that Alertmanager lists. */
  critical: FiringAlert[];
  warning: FiringAlert[];
  /** Wrong answers, which replace the normal ones. */
  faults: Fault[];
}

export interface FiringAlert {
  labels: Record<string, string>;
  fingerprint: string;
}

export interface ManagedInstance {
  /** URL. */
  instance: string;
  /** `NONE`, `DELETING`… */
  currentAction: string;
}

export interface Fault {
  /** Regular expression for host and path, for example `storage/bucket/manifest` or `:9090/-/reload`. */
  at: string;
  /** Status of the answer; 0: no answer. */
  status: number;
  body?: string;
  /** Number of wrong answers; after that the fault is over. Default: the fault stays. */
  times?: number;
}

/** One request that the fake cloud received. */
export interface Request {
  method: string;
  /** `metadata`, `secrets`, `storage`, `monitoring`, `compute`, or the port of a container. */
  to: string;
  path: string;
  authorization: string;
  body: string;
  /** The header Metadata-Flavor, which every request to the metadata server must have. */
  flavor: string;
}
