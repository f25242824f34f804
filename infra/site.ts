/** Where a stack lives and what all its components have in common. */
export interface Site {
  /** Google Cloud project id. */
  project: string;
  /** Region of everything regional, for example `us-central1`. */
  region: string;
  /** Starts every name in the cloud, for example `odin-prod`: lower case, at most 18 characters (account ids have 30). */
  prefix: string;
  /** On everything that takes labels. Nothing in here may change from one deployment to the next: labels are part of instance templates. */
  labels: Record<string, string>;
  /** Data, addresses and the group are protected from deletion. */
  production: boolean;
}

/** The labels of one role's resources. */
export function roleLabels(site: Site, role: string): Record<string, string> {
  return { ...site.labels, role };
}
