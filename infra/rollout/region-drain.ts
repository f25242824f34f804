import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

/** Arguments of {@link RegionDrain}. */
export interface RegionDrainArgs {
  /**
   * Command that runs on the machine that deploys, with GROUP, AUTOSCALER and DRAIN in its environment. With
   * DRAIN=true it makes the group empty, and waits until its gateways have sent their clients away and are
   * gone. With DRAIN=false it does nothing.
   */
  command: string;
  /** Id of the region's instance group manager. */
  group: pulumi.Input<string>;
  /** Id of the region's autoscaler, which would otherwise make the group full again. */
  autoscaler: pulumi.Input<string>;
  /** Whether the region has to be empty. */
  drain: boolean;
}

/**
 * Empties a region before anything of it is removed. The engine deletes resources in the reverse order of
 * their dependencies, so this component has to depend on everything that clients of the region need: its
 * deletion, which drains, then comes first.
 */
export class RegionDrain extends pulumi.ComponentResource {
  /** @param name for example `drain-europe-west1` */
  constructor(name: string, args: RegionDrainArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:RegionDrain", name, {}, opts);
    const { group, autoscaler, drain } = args;
    new command.local.Command(
      `${name}-group`,
      {
        create: args.command,
        update: args.command,
        delete: `DRAIN=true ${args.command}`,
        environment: { GROUP: group, AUTOSCALER: autoscaler, DRAIN: String(drain) },
        addPreviousOutputInEnv: false,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
