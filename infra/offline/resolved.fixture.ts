import * as pulumi from "@pulumi/pulumi";

/** Resolves an output, or a value that contains outputs, to its plain value; for tests. */
export function resolved<Value>(value: pulumi.Input<Value>): Promise<pulumi.Unwrap<Value>> {
  const output = pulumi.output(value) as pulumi.Output<pulumi.Unwrap<Value>>;
  return new Promise((resolve) => {
    output.apply(resolve);
  });
}
