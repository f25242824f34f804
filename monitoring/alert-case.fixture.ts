/** What makes one alert fire, and end. Times in seconds from the first sample. */
export interface AlertCase {
  alert: string;
  /** From one sample to the next, and from one evaluation to the next. */
  step: number;
  /** Values by series. */
  series: Record<string, string>;
  /** The first evaluation at which the alert's condition holds. */
  beyond: number;
  /** An evaluation at which it is over. */
  over: number;
  /** Labels besides severity. */
  labels?: Record<string, string>;
  /** As it is sent when it begins to fire. */
  description: string;
}
