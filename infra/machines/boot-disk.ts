/** The disk that every VM boots from. */
export const BOOT_DISK = {
  type: "pd-balanced",
  /** The system takes 6 GB, container images 2 GB, and a gateway's journal of one day fits into the rest. */
  sizeGb: 20,
} as const;

/**
 * Names of exact images of Container-Optimized OS, for example `cos-133-19999-44-85`; an image family does
 * not match.
 */
export const EXACT_COS_IMAGE = /^cos-(stable-|beta-|dev-)?\d+(-\d+){3}$/;

/** The path under which Compute Engine knows an image of Container-Optimized OS. */
export function cosImagePath(cosImage: string): string {
  return `projects/cos-cloud/global/images/${cosImage}`;
}
