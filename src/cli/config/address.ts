/** The parts of "host:port". */
const WILDCARD = /^(0\.0\.0\.0|\[::\]|\[0:0:0:0:0:0:0:0\]):/;

/** Whether it stands for all interfaces: good to listen on, no use to others. */
export function isWildcard(address: string): boolean {
  return WILDCARD.test(address);
}

export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}

/** All interfaces, at the port of `address`, and of its kind when that is a literal IPv6 address. */
export function allInterfaces(address: string): string {
  return `${address.startsWith('[') ? '[::]' : '0.0.0.0'}:${portOf(address)}`;
}
