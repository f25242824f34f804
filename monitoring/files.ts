/** The files of the monitoring VM and of the log shippers, by path: what is in the bucket, byte for byte. */
export function monitoringFiles(): Record<string, string> {
  return {};
}
