/** Whether two ranges of IPv4 addresses have an address in common. */
export function overlap(one: string, other: string): boolean {
  const parse = (range: string) => {
    const [address = "", bits = "32"] = range.split("/");
    const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    return { number, size: 2 ** (32 - Number(bits)) };
  };
  const [a, b] = [parse(one), parse(other)];
  const size = Math.max(a.size, b.size);
  return Math.floor(a.number / size) === Math.floor(b.number / size);
}
