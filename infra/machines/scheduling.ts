const STANDARD = { provisioningModel: "STANDARD", automaticRestart: true, onHostMaintenance: "MIGRATE" };

const SPOT = {
  provisioningModel: "SPOT",
  preemptible: true,
  automaticRestart: false,
  onHostMaintenance: "TERMINATE",
  // The VM keeps its disks. An instance group finds the stopped VM and starts another one when Google has
  // room again.
  instanceTerminationAction: "STOP",
};

/**
 * How Google schedules a VM, for an instance as well as for an instance template.
 *
 * @param spot true: a cheaper VM, which Google may stop at any time
 */
export function scheduling(spot: boolean): typeof STANDARD | typeof SPOT {
  return spot ? SPOT : STANDARD;
}
