/** Where a stack lives, and the settings that all its components share. */
export interface Site {
  /** Google Cloud project id. */
  project: string;
  /** Region of every regional resource, for example `us-central1`. */
  region: string;
  /**
   * Start of every resource name in the cloud, for example `odin-prod`. Lower case, at most 18 characters,
   * because account ids have at most 30 characters.
   */
  prefix: string;
  /**
   * Labels of every resource that can have labels. They must not change from one deployment to the next,
   * because labels are part of instance templates.
   */
  labels: Record<string, string>;
  /** True: data, addresses and the instance group are protected from deletion. */
  production: boolean;
}

/** The labels of one role's resources. */
export function roleLabels(site: Site, role: string): Record<string, string> {
  return { ...site.labels, role };
}
